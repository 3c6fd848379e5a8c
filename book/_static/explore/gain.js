// "Is the gain real?": what a difference of two accuracies says, on so many images and with so many seeds.
"use strict";

(() => {
  const { draw, frame, set, slider } = controls;
  const [WIDTH, HEIGHT] = [460, 190];
  const points = (value) => `${value.toFixed(2)} points`;
  const sizes = [100, 200, 372, 500, 1000, 1500, 2400, 3068, 3500, 5000, 7500, 10000, 20000, 50000];

  const show = () => update();
  const images = slider("Test images", { min: 0, max: sizes.length - 1, step: 1, value: 7, show: (i) => count(sizes[i]) }, show);
  const accuracy = slider("Accuracy of the baseline", { min: 20, max: 99, step: 0.5, value: 85.5, show: (a) => `${a} %` }, show);
  const gain = slider("Gain", { min: 0.05, max: 5, step: 0.05, value: 1.35, show: points }, show);
  const agree = slider("Independence of the errors", { min: 0.05, max: 1, step: 0.01, value: 0.37, show: (v) => v.toFixed(2) }, show);
  const seeds = slider("Seeds of each method", { min: 1, max: 20, step: 1, value: 1 }, show);
  const spread = slider("Spread over the seeds", { min: 0.1, max: 3, step: 0.05, value: 0.5, show: points }, show);

  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const said = frame("gain", [images, accuracy, gain, agree, seeds, spread], picture);
  const rows = document.querySelector("article table").tBodies[0].rows;

  function count(n) {
    return n.toLocaleString("en");
  }

  // Everything that the page says, from what the sliders say; shares, not percent.
  function judge(n, base, difference, independence, perMethod, std) {
    const ours = Math.round(Math.min(1, base + difference) * n);
    const theirs = Math.round(base * n);
    const won = ours - theirs;
    const [least, most] = stats.disagreementBounds(ours, theirs, n);
    const free = n * stats.independentDisagreement(ours / n, theirs / n);
    const apart = stats.like(won, Math.min(Math.max(independence * free, least), most));
    const share = Math.max(apart / n, Math.abs(won) / n);
    const half = (stats.CHANCE * Math.sqrt(Math.max(share - (won / n) ** 2, 0))) / Math.sqrt(n);
    return {
      won,
      apart,
      p: stats.mcnemarP(won, apart),
      chance: stats.largestChanceGain(apart),
      onImages: [won / n - half, won / n + half],
      missedOnImages: 1 - stats.imagesNotice(won / n, share, n),
      needed: won === 0 ? Infinity : stats.neededImages(won / n, share),
      overSeeds: perMethod < 2 ? null : overSeeds(difference, std, perMethod),
      missedOverSeeds: perMethod < 2 ? null : 1 - stats.seedsNotice(difference / std, perMethod),
      neededSeeds: stats.neededSeeds(difference, std),
    };
  }

  // Two samples of n seeds each: the difference of their means has 2n - 2 degrees of freedom.
  function overSeeds(difference, std, n) {
    const half = stats.tQuantile(0.975, 2 * n - 2) * std * Math.sqrt(2 / n);
    return [difference - half, difference + half];
  }

  function update() {
    const n = sizes[images.value];
    const [base, difference] = [accuracy.value / 100, Math.min(gain.value / 100, 1 - accuracy.value / 100)];
    const found = judge(n, base, difference, agree.value, seeds.value, spread.value / 100);
    const many = seeds.value === 1 ? "one seed" : `${seeds.value} seeds`;
    drawIntervals([
      ["this test set, one training each", found.onImages],
      [`${many}, endless test set`, found.overSeeds],
    ]);
    const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
    const values = [
      count(found.won),
      count(found.apart),
      `${count(found.chance)} images, ${((100 * found.chance) / n).toFixed(2)} points`,
      found.p < 0.001 ? "below 0.001" : found.p.toFixed(3),
      percent(found.missedOnImages),
      count(found.needed),
      found.missedOverSeeds === null ? "one seed says nothing" : percent(found.missedOverSeeds),
      count(found.neededSeeds),
    ];
    values.forEach((value, i) => (rows[i].cells[1].textContent = value)); // the table of the page, in its order
    const verdict = found.p < 0.05 ? "is detectable" : "could be chance";
    const end = found.p < 0.05 ? "" : ` Equally good networks differ by up to ${count(found.chance)} images.`;
    said.textContent = `${count(found.won)} of ${count(n)} images: on this test set the gain ${verdict}.${end}`;
  }

  function drawIntervals(intervals) {
    const edge = Math.max(...intervals.flatMap(([, interval]) => (interval || [0]).map(Math.abs)), 0.01) * 1.15;
    const at = (value) => WIDTH / 2 + (value / edge) * (WIDTH / 2 - 20);
    const text = (x, y, words, anchor = "middle") => draw("text", { x, y, "text-anchor": anchor, fill: "#222" }, words);
    const parts = [draw("line", { x1: at(0), x2: at(0), y1: 10, y2: HEIGHT - 30, stroke: "#222" }), text(at(0), HEIGHT - 12, "0")];
    intervals.forEach(([name, interval], i) => {
      const y = 50 + 70 * i;
      parts.push(text(12, y - 22, name, "start"));
      if (!interval) return parts.push(text(12, y + 5, "no interval", "start"));
      const color = interval[0] > 0 || interval[1] < 0 ? "#00694E" : "#B34700";
      parts.push(draw("line", { x1: at(interval[0]), x2: at(interval[1]), y1: y, y2: y, stroke: color, "stroke-width": 8 }));
      parts.push(draw("circle", { cx: at((interval[0] + interval[1]) / 2), cy: y, r: 7, fill: "#222" }));
      interval.forEach((end) => parts.push(text(at(end), y + 24, `${end > 0 ? "+" : ""}${(100 * end).toFixed(2)}`)));
    });
    picture.replaceChildren(...parts);
    const words = intervals.map(([name, ends]) => `${name}: ${ends ? ends.map((end) => (100 * end).toFixed(2)).join(" to ") : "none"}`);
    set(picture, { "aria-label": `95 % intervals of the gain, in points. ${words.join("; ")}` });
  }

  update();
})();
