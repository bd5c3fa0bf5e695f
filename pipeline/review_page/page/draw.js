// Elements. Text only ever becomes text: nothing here, or anywhere on the page, reads it as HTML.

/** draw("p", {class: "a", onclick: f, "aria-label": "b"}, "text", child, ...) */
export function draw(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const CHOICES = {
  keep: { label: "Keep", key: "k", kind: "good" },
  reject: { label: "Reject", key: "r", kind: "bad" },
  yes: { label: "Yes", key: "y", also: "k", kind: "good" },
  no: { label: "No", key: "n", also: "r", kind: "bad" },
  unsure: { label: "Unsure", key: "u", kind: "open" },
  left: { label: "Left", key: "1", kind: "side" },
  right: { label: "Right", key: "2", kind: "side" },
  tie: { label: "No difference", key: "3", kind: "side" },
};

const SMALL_PX = 160;

/** One picture. Flagged ones are blurred until somebody asks for them. */
export function figure(item, side, { caption, reveal } = {}) {
  const hidden = item.flagged && !item.revealed;
  const picture = draw("img", {
    src: item.pictures[side],
    alt: hidden ? "Blurred picture, flagged as not safe for work" : item.alts[side],
    draggable: "false",
  });
  const frame = draw("figure", { class: hidden ? "hidden" : "" }, picture);
  const settle = () => frame.classList.toggle("small", picture.naturalWidth > 0 && picture.naturalWidth < SMALL_PX);
  picture.addEventListener("load", settle);
  picture.addEventListener("error", () => {
    picture.alt = "This picture could not be loaded";
  });
  if (picture.complete) settle();
  if (caption) frame.append(draw("figcaption", {}, caption));
  if (item.flagged && reveal) {
    const label = hidden ? "Show the flagged picture " : "Blur ";
    frame.append(draw("button", { type: "button", class: "reveal", onclick: reveal, "data-focus": "reveal" }, label, key("b")));
  }
  return frame;
}

/** Whether a picture is on the page and could be shown. */
export function there(address) {
  const found = [...document.querySelectorAll("#work figure img")].find((picture) => picture.getAttribute("src") === address);
  return Boolean(found?.complete && found.naturalWidth);
}

export function key(name) {
  return draw("kbd", { "aria-hidden": "true" }, name);
}

/** What another reviewer said, in one line. */
export function opinion({ reviewer, answers, reasons, note }) {
  const why = [...reasons, note].filter(Boolean).join(", ");
  return `${reviewer}: ${Object.values(answers).join(", ")}${why ? ` (${why})` : ""}`;
}

/** A text of unknown script and length, in a box of its own. */
export function text({ label, text: content }) {
  const long = content.length > 400;
  const box = draw("p", { dir: "auto", tabindex: long ? "0" : undefined, role: long ? "group" : undefined, "aria-label": long ? label : undefined });
  box.textContent = content;
  return draw("div", { class: "text" }, draw("h2", {}, label), box);
}
