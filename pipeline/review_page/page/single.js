// One item at a time.

import { CHOICES, draw, figure, key, opinion, text } from "/page/draw.js";

export class Single {
  constructor(page) {
    this.page = page;
    this.size = 1;
  }

  get item() {
    return this.page.items.current();
  }

  draw(main) {
    const item = this.item;
    item.draft ??= { reasons: [...item.mine.reasons], note: item.mine.note };
    const two = item.pictures.length > 1;
    const reveal = () => this.reveal();
    const pictures = item.pictures.map((_, side) => figure(item, side, { caption: two ? ["Left", "Right"][side] : "", reveal }));
    main.append(
      draw("div", { class: "single" }, draw("div", { class: two ? "pictures two" : "pictures" }, ...pictures), this.#panel(item)),
      draw("p", { class: "unseen", "aria-live": "polite" }, `${this.page.noun} shown: ${item.texts[0].text.slice(0, 200)}`),
    );
  }

  #panel(item) {
    const panel = draw("section", { class: "panel", "aria-label": "Judgement" }, ...item.texts.map(text));
    if (item.others) panel.append(this.#others(item));
    for (const question of item.questions) panel.append(this.#question(item, question));
    if (Object.keys(this.page.session.reasons).length) panel.append(this.#reasons(item));
    panel.append(this.#note(item), this.#moves());
    if (item.details) panel.append(this.#details(item));
    return panel;
  }

  #details(item) {
    const parts = item.details.map((part) => draw("span", {}, part));
    if (item.copies) parts.push(draw("span", {}, `${item.copies} near duplicate${item.copies > 1 ? "s" : ""} in the queue`));
    if (item.page_url) parts.push(draw("a", { href: item.page_url, target: "_blank", rel: "noopener noreferrer" }, "source page"));
    return draw("p", { class: "details" }, ...parts);
  }

  #others(item) {
    const lines = item.others.map((one) => draw("li", { dir: "auto" }, opinion(one)));
    return draw("div", {}, draw("h2", {}, "Reviewers differ"), draw("ul", { class: "others" }, ...lines));
  }

  #question(item, question) {
    const active = this.question() === question;
    const buttons = question.choices.map((name) => {
      const choice = CHOICES[name];
      return draw(
        "button",
        {
          type: "button",
          class: choice.kind,
          "data-focus": `${question.name} ${name}`,
          "aria-pressed": String(item.mine.answers[question.name] === name),
          "aria-keyshortcuts": active ? choice.key : undefined,
          onclick: () => this.answer(question, name),
        },
        `${choice.label} `,
        active ? key(choice.key) : null,
      );
    });
    const set = { class: item.questions.length === 1 ? "question main" : "question" };
    const asked = draw("p", { class: "asked", "aria-hidden": "true" }, question.text);
    return draw("div", { ...set, role: "group", "aria-label": question.text }, asked, draw("div", { class: "choices" }, ...buttons));
  }

  #reasons(item) {
    const chips = Object.entries(this.page.session.reasons).map(([name, meaning], at) =>
      draw(
        "button",
        {
          type: "button",
          title: meaning,
          "data-focus": `reason ${name}`,
          "aria-pressed": String(item.draft.reasons.includes(name)),
          "aria-keyshortcuts": String(at + 1),
          onclick: () => this.reason(at),
        },
        key(at + 1),
        ` ${name.replaceAll("_", " ")}`,
      ),
    );
    return draw("div", { class: "reasons", role: "group", "aria-label": "Reasons for a rejection" }, ...chips);
  }

  #note(item) {
    const area = draw("textarea", {
      id: "note",
      rows: "1",
      maxlength: "2000",
      "aria-label": "Note, saved with the answer",
      placeholder: "Note (c)",
      "data-focus": "note",
      oninput: () => (item.draft.note = area.value),
    });
    area.value = item.draft.note;
    return area;
  }

  #moves() {
    const back = { type: "button", "data-focus": "back", disabled: this.page.items.place === 0, onclick: () => this.page.back() };
    const on = { type: "button", "data-focus": "on", onclick: () => this.page.forward() };
    return draw(
      "div",
      { class: "moves" },
      draw("button", back, key("←"), " Back"),
      draw("button", on, "Pass over ", key("→")),
    );
  }

  /** The question that keys answer: the first that is open, or the first. */
  question() {
    const questions = this.item.questions;
    return questions.find((question) => !(question.name in this.item.mine.answers)) ?? questions[0];
  }

  answer(question, choice) {
    const item = this.item;
    const done = this.page.act([item], [question.name], () => {
      item.mine.answers = { ...item.mine.answers, [question.name]: choice };
      item.mine.reasons = choice === "keep" ? [] : [...item.draft.reasons];
      item.mine.note = item.draft.note.trim();
    });
    if (!done) return;
    const open = item.questions.some(({ name }) => !(name in item.mine.answers));
    if (open) this.page.redraw();
    else this.page.forward();
  }

  reason(at) {
    const name = Object.keys(this.page.session.reasons)[at];
    if (!name) return;
    const chosen = this.item.draft.reasons;
    this.item.draft.reasons = chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name];
    this.page.redraw();
  }

  reveal() {
    this.item.revealed = !this.item.revealed;
    this.page.redraw();
  }

  key(pressed) {
    const question = this.question();
    const choice = question.choices.find((name) => [CHOICES[name].key, CHOICES[name].also].includes(pressed));
    if (choice) this.answer(question, choice);
    else if (/^[1-9]$/.test(pressed)) this.reason(Number(pressed) - 1);
    else if (pressed === "b") this.reveal();
    else if (pressed === "c") document.getElementById("note").focus();
    else if (pressed === "ArrowLeft") this.page.back();
    else if (pressed === "ArrowRight") this.page.forward();
    else return false;
    return true;
  }
}
