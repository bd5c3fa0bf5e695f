// Keys, and the list of them.

import { draw } from "/page/draw.js";

const STORED = "review letter keys";
const CHOICES_OF = {
  triplets: [["k · r · u", "keep · reject · unsure"], ["1 to 7", "reasons; press them before r"]],
  semantic: [["y · n · u", "yes · no · unsure"]],
  preference: [["1 · 2 · 3", "left · right · no difference, where that may be said"]],
};

export function setUp(page) {
  const dialog = document.getElementById("keys");
  const on = document.getElementById("keys-on");
  on.checked = localStorage.getItem(STORED) !== "off";
  on.addEventListener("change", () => localStorage.setItem(STORED, on.checked ? "on" : "off"));
  document.getElementById("help").addEventListener("click", () => dialog.showModal());
  document.getElementById("keys-list").append(...list(page.session.task));
  document.addEventListener("keydown", (event) => pressed(event, page, dialog, on.checked));
}

function list(task) {
  const rows = [
    ...CHOICES_OF[task],
    ["← →", "back and on without an answer; in the grid: move"],
    ["z", "undo, also after a reload"],
    ["c", "write a note; Esc leaves it"],
    ["b", "show or blur a flagged picture"],
  ];
  if (task !== "preference") {
    rows.push(["g", "grid or single"], ["space", "grid: mark the picture"], ["shift ⏎", "grid: save the page"], ["x", "grid: what a click means"]);
  }
  rows.push(["?", "this list"]);
  return rows.flatMap(([name, meaning]) => [draw("dt", {}, draw("kbd", {}, name)), draw("dd", {}, meaning)]);
}

function pressed(event, page, dialog, lettersOn) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open) return;
  const typing = event.target instanceof Element && event.target.closest("textarea, select, input");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  const letter = event.key.length === 1;
  if (letter && !lettersOn) return;
  if (event.repeat && letter) return; // a key that is held judges once
  const name = letter ? event.key.toLowerCase() : event.key;
  if (name === "?") dialog.showModal();
  else if (name === "z") page.undo();
  else if (name === "g") page.toggle();
  else if (!page.key(name, event.shiftKey)) return;
  event.preventDefault();
}
