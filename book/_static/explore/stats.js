// The parts of fercore/evaluation/stats.py that the page "Is the gain real?" needs. Held against fercore by a test.
"use strict";

const stats = (() => {
  // --- distributions ---

  // Lanczos' approximation, g = 7, 9 coefficients.
  const LANCZOS = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const logGamma = (x) => {
    if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
    const sum = LANCZOS.slice(1).reduce((total, c, i) => total + c / (x + i), LANCZOS[0]);
    const t = x + 6.5;
    return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
  };

  // The regularized incomplete beta function, by its continued fraction (Lentz).
  const incompleteBeta = (x, a, b) => {
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
    const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
    const tiny = 1e-300;
    let [f, c, d] = [1, 1, 0];
    for (let i = 0; i < 1000; i++) {
      const m = Math.floor(i / 2);
      let numerator = 1;
      if (i > 0 && i % 2 === 0) numerator = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
      if (i % 2 === 1) numerator = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
      d = 1 / (1 + numerator * d || tiny);
      c = 1 + numerator / c || tiny;
      f *= c * d;
      if (Math.abs(1 - c * d) < 1e-15) break;
    }
    return front * (f - 1);
  };

  const gammaTail = (x, a) => {
    // Q(a, x) for a = 1/2, which is all the normal distribution asks for: a series near 0, a continued fraction beyond.
    if (x < a + 1) {
      let [term, sum] = [1 / a, 1 / a];
      for (let n = 1; n < 500 && term > 1e-17 * sum; n++) sum += term *= x / (a + n);
      return 1 - sum * Math.exp(-x + a * Math.log(x) - logGamma(a));
    }
    let [b, c] = [x + 1 - a, 1e300];
    let d = 1 / b;
    let f = d;
    for (let n = 1; n < 500; n++) {
      const numerator = -n * (n - a);
      b += 2;
      d = 1 / (numerator * d + b);
      c = b + numerator / c;
      f *= c * d;
      if (Math.abs(1 - c * d) < 1e-16) break;
    }
    return f * Math.exp(-x + a * Math.log(x) - logGamma(a));
  };

  const normalCdf = (z) => {
    if (z === 0) return 0.5;
    const tail = gammaTail((z * z) / 2, 0.5) / 2;
    return z > 0 ? 1 - tail : tail;
  };
  const tCdf = (t, df) => {
    const tail = incompleteBeta(df / (df + t * t), df / 2, 0.5) / 2;
    return t > 0 ? 1 - tail : tail;
  };

  // The place where an increasing function reaches `target`, by halving.
  const solve = (increasing, target, low, high) => {
    for (let i = 0; i < 200 && high - low > 1e-13 * Math.max(1, Math.abs(low)); i++) {
      const middle = (low + high) / 2;
      if (increasing(middle) < target) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  const normalQuantile = (p) => solve(normalCdf, p, -40, 40);
  const tQuantile = (p, df) => solve((t) => tCdf(t, df), p, -1e4, 1e4);

  // P(T > t) for a noncentral t: the mean of Phi(delta - t s) over s = sqrt(chi^2 / df), by Simpson's rule.
  const noncentralTTail = (t, df, delta) => {
    const logDensity = (s) =>
      Math.log(2) + (df / 2) * Math.log(df / 2) - logGamma(df / 2) + (df - 1) * Math.log(s) - (df * s * s) / 2;
    const spread = 1 / Math.sqrt(2 * df);
    const [from, to, steps] = [Math.max(1e-9, 1 - 12 * spread), 1 + 12 * spread, 2000];
    const h = (to - from) / steps;
    let sum = 0;
    for (let i = 0; i <= steps; i++) {
      const s = from + i * h;
      sum += (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2) * Math.exp(logDensity(s)) * normalCdf(delta - t * s);
    }
    return (sum * h) / 3;
  };

  // P(X <= k) for n fair coins.
  const coinsCdf = (k, n) => (k < 0 ? 0 : k >= n ? 1 : incompleteBeta(0.5, n - k, k + 1));

  // --- what fercore.evaluation.stats has ---

  const CHANCE = normalQuantile(0.975);
  const NOTICED = normalQuantile(0.8);

  const estimate = (values) => {
    const n = values.length;
    const mean = values.reduce((a, b) => a + b, 0) / n;
    const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1));
    const half = seedHalfWidth(std, n);
    return { mean, std, n, low: mean - half, high: mean + half };
  };
  const seedHalfWidth = (std, n) => (n < 2 ? NaN : (tQuantile(0.975, n - 1) * std) / Math.sqrt(n));

  const wilsonInterval = (correct, total) => {
    const [p, z] = [correct / total, CHANCE];
    const middle = (p + (z * z) / (2 * total)) / (1 + (z * z) / total);
    const half = (z / (1 + (z * z) / total)) * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
    return [correct === 0 ? 0 : middle - half, correct === total ? 1 : middle + half];
  };

  const disagreementBounds = (first, second, total) => [
    Math.abs(first - second),
    Math.min(first + second, 2 * total - first - second),
  ];
  const independentDisagreement = (first, second) => first * (1 - second) + second * (1 - first);

  const mcnemarP = (gain, disagreement) => {
    if (disagreement === 0 || gain === 0) return 1;
    return Math.min(1, 2 * coinsCdf((disagreement - Math.abs(gain)) / 2, disagreement));
  };

  const largestChanceGain = (disagreement) => {
    let [low, high] = [0, disagreement];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (coinsCdf(middle, disagreement) >= 0.025) high = middle;
      else low = middle + 1;
    }
    return disagreement - 2 * low;
  };

  const neededImages = (gain, disagreement) =>
    Math.ceil((CHANCE * Math.sqrt(disagreement) + NOTICED * Math.sqrt(disagreement - gain * gain)) ** 2 / gain ** 2);

  const seedsNotice = (effect, n) =>
    noncentralTTail(tQuantile(0.975, 2 * n - 2), 2 * n - 2, effect * Math.sqrt(n / 2));

  const neededSeeds = (gain, std) => {
    const effect = Math.abs(gain) / std;
    let n = Math.max(2, Math.floor(2 * ((CHANCE + NOTICED) / effect) ** 2));
    while (seedsNotice(effect, n) < 0.8) n += 1;
    return n;
  };

  // The whole number nearest to `disagreement` that is as odd or even as the gain (fercore.papers.gains.like).
  const like = (gain, disagreement) => Math.abs(gain) + 2 * roundHalfEven((disagreement - Math.abs(gain)) / 2);
  const roundHalfEven = (value) => {
    const below = Math.floor(value);
    if (value - below !== 0.5) return Math.round(value);
    return below % 2 === 0 ? below : below + 1;
  };

  // How often a true gain is noticed on so many images: `neededImages` solved for the power.
  const imagesNotice = (gain, disagreement, images) => {
    const [shift, spread] = [Math.abs(gain) * Math.sqrt(images), Math.sqrt(disagreement - gain * gain)];
    if (spread === 0) return shift > CHANCE * Math.sqrt(disagreement) ? 1 : 0;
    return normalCdf((shift - CHANCE * Math.sqrt(disagreement)) / spread);
  };

  return {
    CHANCE, coinsCdf, disagreementBounds, estimate, imagesNotice, independentDisagreement, largestChanceGain, like, mcnemarP,
    neededImages, neededSeeds, normalCdf, normalQuantile, noncentralTTail, seedHalfWidth, seedsNotice, tQuantile,
    wilsonInterval,
  };
})();

if (typeof module !== "undefined") module.exports = stats;
