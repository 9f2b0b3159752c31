// Elements are made here. Text from the cluster becomes text nodes and attributes' values, and never markup.

const SVG = "http://www.w3.org/2000/svg";

// What would be invisible, or turn the text around it: shown by its number.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

function clean(text) {
  return String(text ?? "").replace(HIDDEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : clean(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : clean(child));
  }
  return element;
}

export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Names of the cluster: whatever direction they are written in, they do not reach beyond themselves.
export function name(text, attributes) {
  return h("bdi", { title: text, ...attributes }, text);
}

export function setText(element, text) {
  const wanted = clean(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function setAttribute(element, attribute, value) {
  const wanted = clean(value);
  if (element.getAttribute(attribute) !== wanted) element.setAttribute(attribute, wanted);
}

export function toggle(element, names) {
  for (const [each, on] of Object.entries(names)) element.classList.toggle(each, Boolean(on));
}

export function announce(text) {
  setText(document.getElementById("announce"), text);
}
