// What the explorables share: controls with a label and a value, all of them HTML's own, so that a keyboard moves them.
"use strict";

const controls = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const fill = (element, attributes, children) => {
    set(element, attributes);
    element.append(...children);
    return element;
  };
  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  // Each control is {node, value}; `changed` is called after every move.
  const slider = (label, { min, max, step, value, show = String }, changed) => {
    const input = make("input", { type: "range", min, max, step, value });
    const output = make("output");
    const update = () => (output.textContent = show(Number(input.value)));
    input.addEventListener("input", () => {
      update();
      changed();
    });
    update();
    return {
      node: make("label", {}, make("span", {}, label), input, output),
      input,
      get value() {
        return Number(input.value);
      },
      set value(number) {
        input.value = number;
        update();
      },
    };
  };

  const choice = (label, options, changed) => {
    const select = make("select");
    const offer = (texts) => {
      const before = select.value;
      select.replaceChildren(...texts.map((text) => make("option", { value: text }, text)));
      select.value = texts.includes(before) ? before : texts[0];
      node.hidden = texts.length < 2;
    };
    const node = make("label", {}, make("span", {}, label), select);
    select.addEventListener("change", changed);
    offer(options);
    return {
      node,
      offer,
      get value() {
        return select.value;
      },
      set value(text) {
        select.value = text;
      },
    };
  };

  const button = (label, pressed) => {
    const node = make("button", { type: "button" }, label);
    node.addEventListener("click", pressed);
    return node;
  };

  // The frame of an explorable: controls on one side, the picture on the other, below it a sentence that is read aloud.
  const frame = (id, shown, ...pictures) => {
    const said = make("p", { class: "said", role: "status" });
    const panel = make("div", { class: "controls" }, ...shown.map((control) => control.node || control));
    document.getElementById(id).replaceChildren(panel, make("div", { class: "picture" }, ...pictures, said));
    return said;
  };

  const canvas = (side, description) => draw("svg", { viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": description });

  return { button, canvas, choice, draw, frame, make, set, slider };
})();
