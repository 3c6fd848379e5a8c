// "The plane": the same 500 digits after every epoch, for the loss and the network that the reader chooses.
"use strict";

(() => {
  const { button, canvas, choice, draw, frame, make, set, slider } = controls;
  const { classes, colors, minority, runs } = explore.plane;
  const SIDE = 480;
  const unique = (values) => [...new Set(values)];

  const unpack = (packed, reach) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return Array.from(new Int16Array(bytes.buffer), (value) => (value / 32767) * reach);
  };

  const network = choice("Network", unique(runs.map((run) => run.network)), changed);
  const loss = choice("Loss", unique(runs.map((run) => run.loss)), changed);
  const setting = choice("Setting", [""], changed);
  const epoch = slider("Epoch", { min: 1, max: 6, step: 1, value: 1 }, move);
  const zoom = make("input", { type: "checkbox" });
  zoom.addEventListener("change", move);
  const play = button("Play the epochs", () => step(1));

  const picture = canvas(SIDE, "Digits in the plane of the network's last layer");
  const points = draw("g", { class: "points" });
  const marks = draw("g", { class: "centers" });
  const lost = draw("text", { x: SIDE / 2, y: SIDE / 2, "text-anchor": "middle", fill: "#222" }, "");
  picture.append(points, marks, lost);
  const shown = [network, loss, setting, epoch, make("label", { class: "check" }, zoom, "Zoom in on each epoch"), play];
  const said = frame("plane", shown, picture);

  let run = null;
  let places = []; // one [n, 2] flat list an epoch
  let centers = [];

  function changed() {
    const here = runs.filter((one) => one.network === network.value);
    loss.offer(unique(here.map((one) => one.loss)));
    const mine = here.filter((one) => one.loss === loss.value);
    setting.offer(unique(mine.map((one) => one.setting)));
    run = mine.find((one) => one.setting === setting.value) || mine[0];
    places = centers = [];
    points.replaceChildren();
    marks.replaceChildren();
    if (run.accuracy !== null) {
      places = split(unpack(run.points, run.reach), run.epochs);
      centers = split(unpack(run.centers, run.reach), run.epochs);
      points.append(...run.labels.map((k) => draw("text", { fill: colors[k], class: isRare(k) ? "rare" : "" }, classes[k])));
      if (run.centers) marks.append(...classes.map((_, k) => draw("path", { d: "M-5 0H5M0-5V5", stroke: colors[k] })));
      epoch.input.max = run.epochs;
      epoch.value = Math.min(epoch.value, run.epochs);
    }
    lost.textContent = run.accuracy === null ? "this training diverged" : "";
    move();
  }

  const isRare = (k) => minority.includes(k);
  const split = (flat, parts) =>
    Array.from({ length: parts }, (_, i) => flat.slice((i * flat.length) / parts, ((i + 1) * flat.length) / parts));

  function move() {
    const now = epoch.value - 1;
    const at = places[now] || [];
    const reach = zoom.checked ? Math.max(...at.map(Math.abs)) : run.reach;
    const put = (group, flat) =>
      [...group.children].forEach((node, i) => {
        const [x, y] = [flat[2 * i], flat[2 * i + 1]].map((value) => (value / reach) * SIDE * 0.47);
        node.style.transform = `translate(${SIDE / 2 + x}px, ${SIDE / 2 - y}px)`;
      });
    put(points, at);
    put(marks, centers[now] || []);
    said.textContent = sentence(reach);
  }

  function sentence(reach) {
    const name = `${run.loss}${run.setting ? `, ${run.setting}` : ""}`;
    if (run.accuracy === null) return `${name}: the loss exceeded a million, or was no number any more.`;
    set(picture, { "aria-label": `${name} after epoch ${epoch.value}: ${classes.length} classes of digits in the plane` });
    const end = `After the last epoch it recognizes ${run.accuracy.toFixed(1)} % of the test images.`;
    return `${name}, epoch ${epoch.value} of ${run.epochs}; from the middle to the edge: ${reach.toFixed(0)}. ${end}`;
  }

  function step(next) {
    if (run.accuracy === null || next > run.epochs) return;
    epoch.value = next;
    move();
    setTimeout(() => step(next + 1), 900);
  }

  changed();
})();
