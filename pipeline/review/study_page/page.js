"use strict";

const study = JSON.parse(document.getElementById("study").textContent);
const at = (id) => document.getElementById(id);
const LAST = `sur-preference-reviewer ${study.study} ${study.part}`; // who answered last in this browser
const keyOf = (reviewer) => `sur-preference ${study.study} ${study.part} ${reviewer}`;
const SIDES = study.ties ? ["left", "tie", "right"] : ["left", "right"]; // as they stand beside each other
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", t: "tie", T: "tie" };
const SECONDS_AT_MOST = 600; // longer than this the person was away
const QUESTIONS = Object.keys(study.questions);

let state = fresh("");
let shownAt = 0;
let kept = true;
let byPointer = false;

function fresh(reviewer) {
  return { reviewer, answers: {}, place: 0 };
}

function stored(reviewer) {
  let found = null;
  try {
    found = JSON.parse(localStorage.getItem(keyOf(reviewer)));
  } catch {
    // no storage, which load() tells, or nothing that can be read
  }
  if (!found?.answers || typeof found.answers !== "object") return fresh(reviewer);
  const place = Number.isInteger(found.place) ? found.place : 0; // of a part that may have had more pairs
  return { reviewer, answers: found.answers, place: Math.min(Math.max(place, 0), study.pairs.length - 1) };
}

function load() {
  try {
    const last = localStorage.getItem(LAST) || "";
    localStorage.setItem(LAST, last);
    if (last) state = stored(last);
  } catch {
    kept = false;
  }
}

function keep() {
  try {
    localStorage.setItem(LAST, state.reviewer);
    localStorage.setItem(keyOf(state.reviewer), JSON.stringify(state));
  } catch {
    kept = false;
  }
  at("memory").hidden = kept;
}

function complete(item) {
  const said = state.answers[item];
  return said !== undefined && QUESTIONS.every((question) => said[question] !== undefined);
}

const answered = () => study.pairs.filter((pair) => complete(pair.item)).length;

function show(id) {
  for (const section of ["start", "pair", "end"]) at(section).hidden = section !== id;
}

function progress() {
  const done = answered();
  at("progress").value = done / study.pairs.length;
  at("state").textContent = `${done} of ${study.pairs.length} pairs answered` +
    (study.parts > 1 ? `, part ${study.part} of ${study.parts}` : "");
}

function drawQuestions() {
  for (const question of QUESTIONS) {
    const field = document.createElement("fieldset");
    field.id = `question-${question}`;
    const legend = document.createElement("legend");
    legend.textContent = study.questions[question];
    const sides = document.createElement("div");
    sides.className = "sides";
    for (const side of SIDES) {
      const label = document.createElement("label");
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: question, value: side });
      input.addEventListener("click", () => {
        answer(question, side);
        if (byPointer) setTimeout(() => input.blur()); // so that the arrow keys mean the open question again
      });
      label.append(input, { left: "Left", right: "Right", tie: "Tie" }[side]);
      sides.append(label);
    }
    field.append(legend, sides);
    at("questions").append(field);
  }
}

function openQuestion() {
  const said = state.answers[study.pairs[state.place].item] || {};
  return QUESTIONS.find((question) => said[question] === undefined);
}

function mark() {
  const now = openQuestion();
  for (const question of QUESTIONS) at(`question-${question}`).classList.toggle("now", question === now);
  at("next").disabled = now !== undefined;
}

function draw() {
  const pair = study.pairs[state.place];
  const said = state.answers[pair.item] || {};
  at("text").textContent = pair.text;
  at("left").src = pair.left;
  at("right").src = pair.right;
  for (const input of document.querySelectorAll("#questions input")) input.checked = said[input.name] === input.value;
  at("note").value = said.note || "";
  at("back").disabled = state.place === 0;
  shownAt = performance.now();
  show("pair");
  mark();
  progress();
  window.scrollTo(0, 0);
  at("text").focus({ preventScroll: true });
}

function answer(question, side) {
  const item = study.pairs[state.place].item;
  const said = state.answers[item] || (state.answers[item] = { seconds: 0 });
  const spent = (performance.now() - shownAt) / 1000;
  shownAt = performance.now();
  said.seconds = Math.round(100 * Math.min(SECONDS_AT_MOST, said.seconds + spent)) / 100;
  said.at = new Date().toISOString();
  said[question] = side;
  for (const input of document.querySelectorAll("#questions input")) {
    if (input.name === question) input.checked = input.value === side;
  }
  keep();
  mark();
  progress();
}

function go(step) {
  const place = state.place + step;
  if (place < 0 || (step > 0 && openQuestion() !== undefined)) return;
  if (place >= study.pairs.length) return finish();
  state.place = place;
  keep();
  draw();
}

function finish() {
  const missing = study.pairs.length - answered();
  at("thanks").textContent = missing ? "Save what you have" : "Thank you";
  at("left-over").textContent = missing ? `${missing} pairs have no full answer yet.` : "You answered all pairs.";
  at("again").hidden = missing === 0;
  show("end");
  progress();
  at("save").focus();
}

function save() {
  const answers = study.pairs
    .filter((pair) => QUESTIONS.some((question) => state.answers[pair.item]?.[question] !== undefined))
    .map((pair) => ({ item: pair.item, ...state.answers[pair.item] }));
  const found = { format: study.format, study: study.study, part: study.part, reviewer: state.reviewer, answers };
  const link = document.createElement("a");
  const name = state.reviewer.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "") || "answers";
  link.download = `${name}-${study.study}-${study.part}.json`;
  link.href = URL.createObjectURL(new Blob([JSON.stringify(found, null, 1) + "\n"], { type: "application/json" }));
  link.click();
  at("saved").textContent = `Saved ${answers.length} answers as ${link.download}.`;
}

document.addEventListener("pointerdown", () => { byPointer = true; });
document.addEventListener("keydown", (event) => {
  byPointer = false;
  if (at("pair").hidden || event.ctrlKey || event.altKey || event.metaKey || event.target === at("note")) return;
  const side = KEYS[event.key] || SIDES[Number(event.key) - 1];
  const focused = event.target.type === "radio" ? event.target.name : undefined;
  if (focused && event.key.startsWith("Arrow")) return; // the browser's own keys within a question
  const question = focused || openQuestion();
  if (side && SIDES.includes(side)) {
    event.preventDefault();
    if (question) answer(question, side);
  } else if (event.key === "b" || event.key === "B") {
    go(-1);
  } else if (event.key === "Enter" && event.target.tagName !== "BUTTON" && event.target.tagName !== "SUMMARY") {
    go(1);
  }
});
at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("name").value.trim();
  if (!name) return;
  if (name !== state.reviewer) state = stored(name); // another person's answers stay theirs
  keep();
  draw();
});
at("note").addEventListener("input", () => {
  const item = study.pairs[state.place].item;
  (state.answers[item] || (state.answers[item] = { seconds: 0 })).note = at("note").value;
  keep();
});
at("back").addEventListener("click", () => go(-1));
at("next").addEventListener("click", () => go(1));
at("stop").addEventListener("click", finish);
at("again").addEventListener("click", () => {
  state.place = Math.max(0, study.pairs.findIndex((pair) => !complete(pair.item)));
  draw();
});
at("save").addEventListener("click", save);

load();
drawQuestions();
at("memory").hidden = kept;
at("count").textContent = study.pairs.length;
at("minutes").textContent = Math.max(1, Math.round((study.pairs.length * QUESTIONS.length * 4) / 60));
at("tie-key").hidden = !study.ties;
at("name").value = state.reviewer;
progress();
