// The page: what is shown, what was done and can be undone, how far one is.

import { draw, there } from "/page/draw.js";
import { Grid } from "/page/grid.js";
import { Items } from "/page/items.js";
import * as keys from "/page/keys.js";
import { Single } from "/page/single.js";
import * as talk from "/page/talk.js";

const TITLES = {
  triplets: ["Pairs of prompt and picture", "Pair"],
  semantic: ["Does the picture show it?", "Picture"],
  preference: ["Which picture is better?", "Pair of pictures"],
};
const NAMES = {
  all: "all",
  duplicates: "near duplicates",
  flagged: "flagged",
  mine: "answered by me",
  seeded: "shuffled",
  margin: "lowest margin first",
};
const MOST_SECONDS = 600;
const MOST_UNSAVED = 200;
const at = (name) => document.getElementById(name);

class Page {
  async start() {
    this.session = await talk.session();
    const [title, noun] = TITLES[this.session.task];
    this.noun = noun;
    at("title").textContent = this.session.adjudicating ? `${title}: conflicts` : title;
    document.title = at("title").textContent;
    at("reviewer").textContent = this.session.adjudicating ? `${this.session.reviewer} decides` : this.session.reviewer;
    this.done = [];
    this.single = new Single(this);
    this.grid = new Grid(this);
    this.view = this.single;
    this.#tools();
    keys.setUp(this);
    talk.whenSaved((state) => this.saved(state));
    await this.open();
  }

  #tools() {
    at("mode").hidden = this.session.task === "preference";
    at("mode").addEventListener("click", () => this.toggle());
    at("undo").addEventListener("click", () => this.undo());
    for (const name of ["filter", "order"]) {
      const names = this.session[`${name}s`];
      at(name).append(...names.map((value) => draw("option", { value }, NAMES[value] ?? value)));
      at(`${name}-label`).hidden = names.length < 2;
      at(name).addEventListener("change", () => this.open());
    }
    window.addEventListener("beforeunload", (event) => {
      if (talk.unsaved()) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.since = performance.now(); // time away is not time for an item
    });
  }

  /** Begin with the filter and order that are chosen. */
  async open() {
    this.items = new Items(at("filter").value || "all", at("order").value || "seeded");
    await this.show();
  }

  async show(focus) {
    this.busy = true; // what is on the screen is no longer what keys and clicks would mean
    try {
      await this.items.ready(this.view.size);
      this.#alarm("");
    } catch (error) {
      this.#alarm(`${error.message || "The server does not answer."} Trying again.`);
      this.retry ??= setTimeout(() => {
        this.retry = undefined;
        this.show(focus);
      }, 1000);
      return;
    }
    this.busy = false;
    this.redraw(focus);
    this.since = performance.now();
    this.#count(this.items.progress);
    this.items.ahead(this.view.size);
  }

  redraw(focus) {
    const held = focus ?? document.activeElement?.dataset?.focus;
    const main = at("work");
    main.replaceChildren();
    at("mode").textContent = this.view === this.grid ? "Single " : "Grid ";
    at("mode").append(draw("kbd", { "aria-hidden": "true" }, "g"));
    at("undo").disabled = !this.done.length && !(this.items.progress.mine + this.items.progress.begun);
    if (this.items.current()) this.view.draw(main);
    else main.append(this.#empty());
    if (held) this.focus(held);
  }

  #empty() {
    const filtered = this.items.filter !== "all";
    const words = filtered ? "Nothing is left in this view." : "Nothing is left for you. Thank you!";
    return draw("div", { class: "empty" }, draw("h2", {}, words), draw("button", { type: "button", onclick: () => this.open() }, "Look again"));
  }

  focus(name) {
    const found = document.querySelector(`[data-focus="${CSS.escape(name)}"]`);
    if (found && !found.disabled) found.focus();
    else at("work").focus({ preventScroll: true });
  }

  key(name, shift) {
    if (this.busy) return true;
    return this.items.current() ? this.view.key(name, shift) : false;
  }

  toggle() {
    if (this.busy || at("mode").hidden) return;
    this.view = this.view === this.grid ? this.single : this.grid;
    this.show();
  }

  async forward() {
    if (this.busy || !this.items.current()) return;
    const shown = this.items.list.slice(this.items.place, this.items.place + this.view.size);
    shown.forEach((item) => this.items.passed(item));
    this.items.place += shown.length;
    await this.show();
    window.scrollTo(0, 0);
  }

  back() {
    if (this.busy) return;
    this.items.place = Math.max(0, this.items.place - this.view.size);
    this.show();
  }

  /** Change what is said of questions, remember how it was, and save it; false where nobody can have seen the items. */
  act(items, questions, change) {
    const loading = [...document.querySelectorAll("#work figure img")].some((picture) => !picture.complete);
    if (this.busy || loading || !items.length || talk.unsaved() > MOST_UNSAVED) return false;
    const broken = items.flatMap((item) => item.pictures).find((address) => !there(address));
    if (broken) {
      this.#why(broken);
      return false;
    }
    const before = items.map((item) => ({ item, mine: structuredClone(item.mine) }));
    const seconds = Math.min(MOST_SECONDS, (performance.now() - this.since) / 1000 / items.length);
    change();
    this.lost = undefined; // was told, and is not of what is said from now on
    this.since = performance.now();
    this.done.push({ place: this.items.place, items: this.items, questions, before });
    talk.save(items.map((item) => spoken(item, questions, seconds)));
    return true;
  }

  /** Say what the server says of a picture that is not there. */
  #why(address) {
    talk.get(address).catch((error) => this.#alarm(`A picture is not there: ${error.message}`));
  }

  async undo() {
    if (this.busy) return;
    const last = this.done.pop() ?? (await this.#lastOfBefore());
    if (!last) return;
    for (const { item, mine } of last.before) {
      item.mine = structuredClone(mine);
      item.draft = item.mark = undefined;
    }
    talk.save(last.before.map(({ item }) => spoken(item, last.questions, null)));
    if (last.items === this.items) this.items.place = last.place;
    else this.#bring(last.before.map(({ item }) => item));
    await this.show();
  }

  /** After a reload: the newest answer that is on the disk. */
  async #lastOfBefore() {
    if (talk.unsaved()) return undefined;
    const found = await talk.items("mine", "seeded", 0, 1);
    if (!found.items.length) return undefined;
    const item = found.items[0];
    return { questions: item.questions.map(({ name }) => name), before: [{ item, mine: { answers: {}, reasons: [], note: "" } }] };
  }

  #bring(items) {
    const held = new Set(items.map(({ id }) => id));
    const { list, place, known } = this.items;
    this.items.place = list.slice(0, place).filter(({ id }) => !held.has(id)).length;
    this.items.list = list.filter(({ id }) => !held.has(id));
    this.items.list.splice(this.items.place, 0, ...items);
    items.forEach(({ id }) => known.add(id));
  }

  saved({ waiting, failed, progress, refused, lost }) {
    const saved = at("saved");
    saved.textContent = waiting ? (failed ? `${waiting} not saved` : "Saving …") : "Saved";
    saved.classList.toggle("waiting", waiting > 0);
    if (lost) this.lost = `An answer was not taken: ${refused}`;
    if (this.lost) this.#alarm(this.lost);
    else if (failed) this.#alarm(`Not saved: ${refused || "the server does not answer"}. Trying again; leave this page open.`);
    else if (progress) this.#alarm("");
    if (progress) this.#count(progress);
  }

  #alarm(words) {
    if (at("alarm").textContent !== words) at("alarm").textContent = words;
  }

  #count({ mine, begun, left, seconds_each: each, here }) {
    if (mine === undefined) return;
    this.items.progress = { ...this.items.progress, mine, begun, left, seconds_each: each };
    at("bar").max = Math.max(1, mine + left);
    at("bar").value = mine;
    const number = new Intl.NumberFormat("en");
    const part = begun ? `, ${number.format(begun)} begun` : "";
    const view = this.items.filter !== "all" && here !== undefined ? `, ${number.format(here)} in this view` : "";
    at("counts").textContent = `${number.format(mine)} done${part}, ${number.format(left)} to go${view}`;
    const questions = this.items.current()?.questions.length ?? 1;
    at("time").textContent = each && left ? `· about ${span(each * left * questions)}` : "";
    at("undo").disabled = !this.done.length && !(mine + begun);
  }
}

/** What is said of these questions now; of the others another tab may know more. */
function spoken(item, questions, seconds) {
  const { answers, reasons, note } = item.mine;
  const answered = questions.filter((name) => name in answers);
  const taken = questions.filter((name) => !(name in answers));
  return { id: item.id, answers: Object.fromEntries(answered.map((name) => [name, answers[name]])), taken_back: taken, reasons, note, seconds };
}

function span(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const page = new Page();
page.start().catch((error) => {
  at("alarm").textContent = error.message;
});
