// The three negative samplers of fercore/samplers.py, for the page "Who is the hardest negative?".
// Arrays as there: x [m][D], labels and predictions [m], centers [K][D], record S [K][K]. Held against fercore by a test.
"use strict";

const samplers = (() => {
  // MS-NSS: in every dimension the class whose coordinate is nearest, the own class left out; the lowest of equals.
  const nearestClasses = (x, label, centers) =>
    x.map((value, j) => {
      let best = -1;
      centers.forEach((center, k) => {
        const nearer = best < 0 || Math.abs(value - center[j]) < Math.abs(value - centers[best][j]);
        if (k !== label && nearer) best = k;
      });
      return best;
    });

  const msNss = (x, labels, centers) =>
    x.map((row, i) => nearestClasses(row, labels[i], centers).map((k, j) => centers[k][j]));

  // NS-NSS: the predicted class where it is wrong; else the class that defeated the own one most often; else the nearest.
  const rival = (prediction, label, centers, record) => {
    if (prediction !== label) return prediction;
    const others = centers.map((_, k) => k).filter((k) => k !== label);
    const most = Math.max(...others.map((k) => record[label][k]));
    if (most > 0) return others.find((k) => record[label][k] === most);
    const distances = others.map((k) => squaredDistance(centers[k], centers[label]));
    return others[distances.indexOf(Math.min(...distances))];
  };

  const nsNss = (predictions, labels, centers, record) =>
    predictions.map((prediction, i) => centers[rival(prediction, labels[i], centers, record)]);

  // MM-NSS: the synthesized negative where the prediction is right, the predicted class's center where it is wrong.
  const mmNss = (x, predictions, labels, centers) => {
    const synthesized = msNss(x, labels, centers);
    return predictions.map((prediction, i) => (prediction === labels[i] ? synthesized[i] : centers[prediction]));
  };

  const squaredDistance = (a, b) => a.reduce((sum, value, j) => sum + (value - b[j]) ** 2, 0);
  const isChimera = (negative, centers) => !centers.some((center) => center.every((value, j) => value === negative[j]));

  // Squared distance in the sigmoid's box, the sum over dimensions: u to the own center, v to the negative.
  const inBox = (a, b) => squaredDistance(a.map(sigmoid), b.map(sigmoid));
  const sigmoid = (value) => 1 / (1 + Math.exp(-value));

  return { inBox, isChimera, mmNss, msNss, nearestClasses, nsNss, rival, squaredDistance };
})();

if (typeof module !== "undefined") module.exports = samplers;
