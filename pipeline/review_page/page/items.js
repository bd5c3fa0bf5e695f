// The items in the order in which they are shown: fetched ahead, their pictures too, with a way back.

import * as talk from "/page/talk.js";

const AHEAD = 20;
const AT_ONCE = 40;

export class Items {
  constructor(filter, order) {
    this.filter = filter;
    this.order = order;
    this.list = [];
    this.known = new Set();
    this.place = 0;
    this.next = 0;
    this.round = 0;
    this.loaded = new Map();
    this.progress = {};
  }

  current() {
    return this.list[this.place];
  }

  /** The item at the place, fetched if it must be; undefined when nothing is open. */
  async ready(count = 1) {
    while (this.list.length < this.place + count && (await this.#more()));
    this.#prefetch(count);
    return this.current();
  }

  /** Fetch ahead without waiting for it. */
  async ahead(count = 1) {
    if (this.list.length < this.place + count + AHEAD) await this.#more().catch(() => {});
    this.#prefetch(count);
  }

  #asking = null;

  #more() {
    this.#asking ??= this.#fetch().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #fetch() {
    if (this.next === null) {
      if (this.round || this.filter === "mine") return false;
      this.round = 1; // once more from the start: what was passed over
      this.next = 0;
    }
    const found = await talk.items(this.filter, this.order, this.next, AT_ONCE);
    this.next = found.after;
    this.progress = found;
    const fresh = found.items.filter((item) => !this.known.has(item.id));
    for (const item of fresh) this.known.add(item.id);
    this.list.push(...fresh);
    return true;
  }

  /** Passed over and not answered in whole: asked again at the end of the list. */
  passed(item) {
    if (item.questions.some(({ name }) => !(name in item.mine.answers))) {
      this.known.delete(item.id);
      if (this.next === null) this.round = 0;
    }
  }

  #prefetch(count) {
    const wanted = this.list.slice(this.place, this.place + count + AHEAD).flatMap((item) => item.pictures);
    for (const address of wanted) {
      if (!this.loaded.has(address)) {
        const picture = new Image();
        picture.src = address;
        this.loaded.set(address, picture);
      }
    }
    for (const address of this.loaded.keys()) {
      if (this.loaded.size <= 3 * (AHEAD + count)) break;
      if (!wanted.includes(address)) this.loaded.delete(address);
    }
  }
}
