// What a keyboard and a screen reader miss: names for buttons that have none or hold a link, and a way into boxes that scroll.
"use strict";

const nameButtons = () => {
  for (const summary of document.querySelectorAll("nav summary")) {
    const page = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", `Pages of ${page.textContent.trim()}`);
  }
  for (const link of document.querySelectorAll("article summary > a")) link.parentElement.textContent = "Where the book uses it";
};

const reachBoxes = () => {
  for (const box of document.querySelectorAll("article :is(pre, table, .math, mjx-container, .sig)"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
};

document.addEventListener("DOMContentLoaded", nameButtons);
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reachBoxes();
});
window.addEventListener("resize", reachBoxes);
