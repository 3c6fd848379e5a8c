// "Who is the hardest negative?": an embedding to drag, and the choice of the three samplers.
"use strict";

(() => {
  const { canvas, choice, draw, frame, set, slider } = controls;
  const { centers, record } = explore.rivals;
  const { classes, colors } = explore.plane;
  const [SIDE, REACH] = [480, 16]; // pixels; embedding units from the middle to the edge
  const NEAREST = "the nearest center's";
  const names = ["MS-NSS", "NS-NSS", "MM-NSS"];

  const own = choice("Its true class", classes, show);
  const taken = choice("The network takes it for", [NEAREST, ...classes], show);
  const along = { min: -15, max: 15, step: 0.1, show: (value) => value.toFixed(1) };
  const x = slider("x, dimension 1", { ...along, value: 4 }, show);
  const y = slider("x, dimension 2", { ...along, value: 3 }, show);

  const picture = canvas(SIDE, "The plane with ten class centers, an embedding and its three negatives");
  const guides = draw("g", { stroke: "#888", "stroke-dasharray": "3 4" });
  const shapes = {
    "MS-NSS": draw("path", { d: "M0-11 11 0 0 11-11 0Z", class: "negative", stroke: "#0072B2" }),
    "NS-NSS": draw("path", { d: "M-13-13H13V13H-13Z", class: "negative", stroke: "#B34700" }),
    "MM-NSS": draw("circle", { r: 18, class: "negative", stroke: "#00694E" }),
  };
  const star = draw("path", { d: star5(12, 5), class: "sample" });
  const digits = centers.map((place, k) =>
    draw("text", { fill: colors[k], "text-anchor": "middle", dy: "0.35em", transform: at(place), class: "digit" }, classes[k]),
  );
  picture.append(guides, ...digits, ...Object.values(shapes), star);
  const said = frame("negatives", [own, taken, x, y], picture);
  own.value = "3";

  const rows = document.querySelector("article table").tBodies[0].rows; // one a sampler, in this order

  function at([a, b]) {
    return `translate(${SIDE / 2 + (a / REACH) * (SIDE / 2)} ${SIDE / 2 - (b / REACH) * (SIDE / 2)})`;
  }
  function star5(outer, inner) {
    const corner = (i) => {
      const [r, angle] = [i % 2 ? inner : outer, (i * Math.PI) / 5 - Math.PI / 2];
      return `${(r * Math.cos(angle)).toFixed(1)} ${(r * Math.sin(angle)).toFixed(1)}`;
    };
    return `M${Array.from({ length: 10 }, (_, i) => corner(i)).join("L")}Z`;
  }

  const drag = (event) => {
    const box = picture.getBoundingClientRect();
    const clip = (value) => Math.max(-15, Math.min(15, value));
    x.value = clip(((event.clientX - box.left) / box.width - 0.5) * 2 * REACH).toFixed(1);
    y.value = clip((0.5 - (event.clientY - box.top) / box.height) * 2 * REACH).toFixed(1);
    show();
  };
  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    drag(event);
  });
  picture.addEventListener("pointermove", (event) => event.buttons && drag(event));

  function show() {
    const sample = [x.value, y.value];
    const label = Number(own.value);
    const distances = centers.map((center) => samplers.squaredDistance(center, sample));
    const nearest = distances.indexOf(Math.min(...distances));
    const predicted = taken.value === NEAREST ? nearest : Number(taken.value);
    const chosen = {
      "MS-NSS": samplers.msNss([sample], [label], centers)[0],
      "NS-NSS": samplers.nsNss([predicted], [label], centers, record)[0],
      "MM-NSS": samplers.mmNss([sample], [predicted], [label], centers)[0],
    };
    set(star, { transform: at(sample) });
    for (const name of names) set(shapes[name], { transform: at(chosen[name]) });
    const parts = samplers.nearestClasses(sample, label, centers);
    guides.replaceChildren(...parts.map((k) => line(centers[k], chosen["MS-NSS"])), line(sample, centers[label]));
    names.forEach((name, i) => tell(rows[i], chosen[name], sample, label));
    const verdict = predicted === label ? "recognized" : `taken for a ${classes[predicted]}`;
    const made = parts.map((k, j) => `dimension ${j + 1} of class ${classes[k]}`).join(" and ");
    const chimera = samplers.isChimera(chosen["MS-NSS"], centers) ? "a chimera, no class's center" : "a class's own center";
    said.textContent = `A ${classes[label]}, ${verdict}. MS-NSS takes ${made}: ${chimera}.`;
  }

  function line(from, to) {
    const [a, b] = [from, to].map(([u, v]) => [SIDE / 2 + (u / REACH) * (SIDE / 2), SIDE / 2 - (v / REACH) * (SIDE / 2)]);
    return draw("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1] });
  }

  function tell(row, negative, sample, label) {
    const k = centers.findIndex((center) => center.every((value, j) => value === negative[j]));
    const [u, v] = [samplers.inBox(sample, centers[label]), samplers.inBox(sample, negative)];
    const cells = [k < 0 ? "nobody" : classes[k], Math.sqrt(samplers.squaredDistance(sample, negative)).toFixed(2), v.toFixed(3)];
    cells.push(u.toFixed(3), (u - v + 2).toFixed(3));
    cells.forEach((text, i) => (row.cells[i + 1].textContent = text));
  }

  show();
})();
