// "The face maker": one cell of a sheet of rendered faces, as the sliders say; blur is the browser's own.
"use strict";

(() => {
  const { choice, frame, make, set, slider } = controls;
  const { side, rows, columns, person, prototype, expressions, strengths, yaws, lights } = explore.faces;
  const SHOWN = 320;

  const expression = choice("Expression", expressions, show);
  const strength = slider("Strength", { min: 0, max: strengths.length - 1, step: 1, value: 2, show: (i) => percent(i) }, show);
  const pose = slider("Head turned", { min: 0, max: yaws.length - 1, step: 1, value: 2, show: (i) => `${degrees(i)}°` }, show);
  const light = choice("Light", Object.keys(lights), show);
  const blur = slider("Blur", { min: 0, max: 4, step: 0.1, value: 0, show: (r) => `${r.toFixed(1)} % of the side` }, show);

  const face = make("div", { class: "face", role: "img" });
  const code = make("pre", { tabindex: 0 });
  const said = frame("faces", [expression, strength, pose, light, blur], face);
  document.getElementById("faces").after(code);
  light.value = "from the front";
  expression.value = "Happiness";
  show();

  function percent(i) {
    return `${Math.round(100 * strengths[i])} %`;
  }
  function degrees(i) {
    return Math.round((yaws[i] * 180) / Math.PI);
  }

  function show() {
    const neutral = expression.value === "Neutral";
    strength.input.disabled = neutral;
    const full = neutral ? 0 : strengths[strength.value];
    const row = rows.findIndex(([name, share]) => name === expression.value && share === full);
    const column = columns.findIndex(([name, yaw]) => name === light.value && yaw === yaws[pose.value]);
    Object.assign(face.style, {
      width: `${SHOWN}px`,
      height: `${SHOWN}px`,
      backgroundSize: `${columns.length * SHOWN}px ${rows.length * SHOWN}px`,
      backgroundPosition: `${-column * SHOWN}px ${-row * SHOWN}px`,
      filter: `blur(${(blur.value / 100) * SHOWN}px)`,
    });
    const shown = neutral ? "Neutral" : `${expression.value} at ${percent(strength.value)}`;
    const words = `${shown}, head turned by ${degrees(pose.value)} degrees, light ${light.value}, blur ${blur.value}`;
    set(face, { "aria-label": `A rendered face: ${words}` });
    said.textContent = `${words}. The label stays ${expression.value}, whatever the other sliders do.`;
    code.textContent = recipe(full);
  }

  function recipe(full) {
    const label = expressions.indexOf(expression.value);
    const x = lights[light.value];
    return [
      `person = sample_identity(load_head(), np.random.default_rng(${person}))`,
      `full = sample_expression(${label}, np.random.default_rng([${label}, ${prototype}]), difficulty=0)`,
      `actions = {name: ${full} * weight for name, weight in full.actions.items()}`,
      `light = dict(light=(${x}, 0.3, 0.5), ambient=${x ? 0.25 : 0.42})`,
      `scene = Scene(yaw=${yaws[pose.value]}, blur=${blur.value}, texture_seed=6, **light)`,
      `render(person, Expression(${label}, actions), scene, ${side})`,
    ].join("\n");
  }
})();
