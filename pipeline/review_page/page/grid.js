// Many items at a time: all get one answer, a click gives the other one to those that need it.

import { CHOICES, draw, figure, key, opinion, there } from "/page/draw.js";

export class Grid {
  constructor(page) {
    this.page = page;
    this.size = window.matchMedia("(max-width: 46rem)").matches ? 12 : 24;
    this.swapped = false;
    this.at = 0;
  }

  get shown() {
    const { list, place } = this.page.items;
    return list.slice(place, place + this.size);
  }

  /** The answer of what is not clicked, and the answer of a click. */
  get answers() {
    const [first, second] = this.shown[0].questions[0].choices;
    return this.swapped ? [second, first] : [first, second];
  }

  draw(main) {
    this.at = Math.min(this.at, this.shown.length - 1);
    for (const item of this.shown) item.mark ??= this.#said(item);
    const cells = this.shown.map((item, at) => this.#cell(item, at));
    main.append(this.#bar(), draw("div", { class: "grid", role: "group", "aria-label": "Page of pictures" }, ...cells));
  }

  #said(item) {
    const answer = item.mine.answers[item.questions[0].name];
    return { answer: answer ?? null, reasons: [...item.mine.reasons] };
  }

  #answer(item) {
    return item.mark.answer ?? this.answers[0];
  }

  /** Whether nobody can have judged it: blurred still, and not marked either. Saving the page leaves it open. */
  #unseen(item) {
    return item.flagged && !item.revealed && item.mark.answer === null;
  }

  #bar() {
    const [rest, click] = this.answers;
    const judged = this.shown.filter((item) => !this.#unseen(item));
    const marked = judged.filter((item) => this.#answer(item) !== rest).length;
    const blurred = this.shown.length - judged.length;
    const open = blurred ? `, ${blurred} blurred stay open` : "";
    return draw(
      "div",
      { class: "grid-bar" },
      draw("button", { type: "button", class: "save", "data-focus": "save", "aria-keyshortcuts": "Shift+Enter", onclick: () => this.save() },
        `Save page: ${judged.length - marked} ${CHOICES[rest].label.toLowerCase()}, ${marked} other${open} `, key("shift ⏎")),
      draw("button", { type: "button", "data-focus": "swap", "aria-keyshortcuts": "x", onclick: () => this.swap() }, `A click means ${CHOICES[click].label.toLowerCase()} `, key("x")),
      draw("button", { type: "button", "data-focus": "back", disabled: this.page.items.place === 0, onclick: () => this.page.back() }, "Page back"),
      draw("span", {}, this.shown[0].questions[0].text),
    );
  }

  #cell(item, at) {
    const answer = this.#answer(item);
    const kind = { good: "accept", bad: "reject", open: "unsure" }[CHOICES[answer].kind];
    const why = item.mark.reasons.map((name) => name.replaceAll("_", " ")).join(", ");
    const words = item.texts.map(({ text }) => {
      const line = draw("span", { dir: "auto", title: text });
      line.textContent = text;
      return line;
    });
    const opinions = (item.others ?? []).map((one) => draw("span", { dir: "auto", title: opinion(one), class: "opinion" }, opinion(one)));
    const marked = answer !== this.answers[0];
    const stamp = marked ? draw("span", { class: "stamp" }, CHOICES[answer].label, why ? `: ${why}` : "") : null;
    const cell = draw(
      "button",
      {
        type: "button",
        class: marked ? `cell ${kind}` : "cell",
        "aria-pressed": String(marked),
        "data-focus": `cell ${at}`,
        onfocus: () => (this.at = at),
        onclick: () => this.mark(at, this.answers[1]),
      },
      figure(item, 0),
      draw("span", { class: "words" }, ...words, ...opinions),
    );
    if (stamp) cell.append(stamp);
    return draw("div", { class: "slot" }, cell, item.flagged ? this.#revealing(item, at) : null);
  }

  #revealing(item, at) {
    const name = item.revealed ? "Blur" : "Show";
    const set = { type: "button", class: "reveal", "data-focus": `reveal ${at}`, "aria-label": `${name} the flagged picture ${at + 1}` };
    return draw("button", { ...set, onclick: () => this.reveal(at, `reveal ${at}`) }, name);
  }

  mark(at, answer) {
    const item = this.shown[at];
    this.at = at;
    const now = this.#answer(item);
    item.mark = { answer: now === answer ? null : answer, reasons: now === answer ? [] : item.mark.reasons };
    this.page.redraw(`cell ${at}`);
  }

  reason(at, number) {
    const item = this.shown[at];
    const name = Object.keys(this.page.session.reasons)[number];
    if (!name) return;
    const held = item.mark.reasons;
    item.mark = { answer: "reject", reasons: held.includes(name) ? held.filter((one) => one !== name) : [...held, name] };
    this.page.redraw(`cell ${at}`);
  }

  swap() {
    this.swapped = !this.swapped;
    for (const item of this.shown) item.mark = undefined;
    this.page.redraw();
  }

  save() {
    const name = this.shown[0].questions[0].name;
    const judged = this.shown.filter((item) => !this.#unseen(item) && there(item.pictures[0]));
    const chosen = judged.map((item) => this.#answer(item));
    const done = this.page.act(judged, [name], () => {
      judged.forEach((item, at) => {
        item.mine.answers = { [name]: chosen[at] };
        item.mine.reasons = chosen[at] === "keep" ? [] : [...item.mark.reasons];
        item.mark = undefined;
        item.draft = undefined;
      });
    });
    if (!done) return;
    this.at = 0;
    this.page.forward();
  }

  reveal(at, focus) {
    const item = this.shown[at];
    item.revealed = !item.revealed;
    this.page.redraw(focus);
  }

  #columns() {
    const cells = [...document.querySelectorAll(".cell")];
    const top = (cell) => cell.getBoundingClientRect().top;
    return Math.max(1, cells.filter((cell) => Math.abs(top(cell) - top(cells[0])) < 1).length);
  }

  key(pressed, shift) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns(), ArrowDown: this.#columns() }[pressed];
    const asked = this.shown[0].questions[0].choices;
    const choice = asked.find((name) => [CHOICES[name].key, CHOICES[name].also].includes(pressed));
    if (step) this.page.focus(`cell ${Math.max(0, Math.min(this.shown.length - 1, this.at + step))}`);
    else if (pressed === "Enter" && shift) this.save();
    else if (choice) this.mark(this.at, choice);
    else if (/^[1-9]$/.test(pressed)) this.reason(this.at, Number(pressed) - 1);
    else if (pressed === "b") this.reveal(this.at, `cell ${this.at}`);
    else if (pressed === "x") this.swap();
    else return false;
    return true;
  }
}
