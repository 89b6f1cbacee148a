/** The frame around the conversation: header, menu, layers, keyboard, what changes with the screen. */
import {fill, legible} from './color';
import type {Hooks} from './contract';
import {button, icon, ICONS, make} from './dom';
import type {Help} from './help';
import {isRightToLeft, type Options} from './options';
import {put, type Texts} from './texts';

// Backgrounds that links and outlines stand on, light and dark (styles.ts).
const SURFACES = {light: '#f7f6f2', dark: '#1f2728'};
const SMALL = '(max-width: 480px), (max-height: 420px)';
export const ZOOMS = [1, 1.25, 1.5, 2];

export interface Deeds {
  save(): void;
  print(): void;
  clear(): void;
  zoom(factor: number): void;
  leave(): void;
}

export class Panel {
  readonly element: HTMLDialogElement | HTMLElement;
  readonly state = make('p', {class: 'state'});
  readonly jump = make('button', {type: 'button', class: 'jump', hidden: true});
  private readonly confirm: HTMLDialogElement;
  private readonly menu: HTMLElement;
  private readonly openers: [HTMLButtonElement, HTMLElement][];
  private readonly note = make('p', {class: 'note'});
  private readonly ended = new AbortController();
  private readonly small = matchMedia(SMALL);
  private before: string | undefined;
  private zoomed = 1;

  constructor(
    private readonly root: ShadowRoot,
    private readonly options: Options,
    private readonly texts: Texts,
    private readonly help: Help,
    private readonly hooks: Hooks,
    private readonly deeds: Deeds,
  ) {
    this.menu = this.makeMenu();
    this.confirm = this.makeConfirm();
    const opener = (kind: 'help' | 'menu', sheet: HTMLElement, path: string): [HTMLButtonElement, HTMLElement] => {
      const label = texts[kind];
      const attributes = {class: `icon-button ${kind}`, 'aria-label': label, title: label, 'aria-expanded': 'false', 'aria-controls': sheet.id};
      return [button(attributes, () => this.toggle(sheet), icon(path, 22)), sheet];
    };
    this.openers = [opener('help', help.sheet, ICONS.phone), opener('menu', this.menu, ICONS.menu)];
    this.element = make(options.page ? 'main' : 'dialog', {
      class: options.page ? 'panel page' : `panel ${options.position}`,
      'aria-labelledby': 'calla-title',
      'data-theme': options.theme,
      lang: options.lang,
      dir: isRightToLeft(options.lang) ? 'rtl' : 'ltr',
      tabindex: '-1',
      hidden: options.page,
    });
    this.paint();
    this.listen();
  }

  /** Put the parts together and onto the page. */
  assemble(person: HTMLElement, thread: HTMLElement, composer: HTMLElement, ...regions: HTMLElement[]): void {
    const {options, texts} = this;
    const heading = make(options.page ? 'h1' : 'h2', {class: 'title', id: 'calla-title'}, options.title);
    const header = make(
      'header',
      {},
      make('span', {class: 'mark', 'aria-hidden': 'true'}, icon(ICONS.lily, 26)),
      make('div', {class: 'who'}, heading, this.state),
      ...this.openers.map(([one]) => one),
    );
    if (!options.page) header.append(button({class: 'icon-button close', 'aria-label': texts.close, title: texts.close}, this.deeds.leave, icon(ICONS.close, 22)));
    const chat = make('div', {class: 'chat'}, thread, this.help.sheet, this.menu);
    this.element.append(header, this.note, person, this.help.box, chat, this.jump, composer, ...regions, this.confirm);
    if (options.page) document.title = options.title;
    this.showNote();
    this.root.append(this.element);
  }

  /** Say what the chat is, while it is not a person who answers, and whom to call. */
  showNote(person = false): void {
    const {texts} = this;
    this.note.replaceChildren(person ? '' : `${texts.doctor} `, make('strong', {}, this.help.sentence), ` ${put(texts.english, {title: this.options.title})}`);
  }

  open(): void {
    if (!(this.element instanceof HTMLDialogElement)) {
      this.element.hidden = false;
      return;
    }
    if (this.element.open) return;
    // Where the chat fills the screen, nothing behind it can be reached or scrolled.
    if (this.small.matches) {
      this.element.showModal();
      this.element.focus({preventScroll: true});
    } else this.element.open = true;
    this.element.dataset.modal = String(this.small.matches);
    this.lock(this.small.matches);
    this.fitViewport();
  }

  close(): void {
    this.shut();
    this.confirm.close();
    if (this.element instanceof HTMLDialogElement) {
      // An attribute opened it, or a method: both ways close.
      if (this.element.dataset.modal === 'true') this.element.close();
      this.element.open = false;
    }
    this.lock(false);
  }

  destroy(): void {
    this.close();
    this.ended.abort();
    this.element.remove();
  }

  /** Close the sheets; true if one was open. */
  shut(): boolean {
    const open = this.openers.filter(([, sheet]) => !sheet.hidden);
    for (const [opener, sheet] of open) {
      const within = sheet.contains(this.root.activeElement);
      sheet.hidden = true;
      opener.setAttribute('aria-expanded', 'false');
      if (within) opener.focus();
    }
    return open.length > 0;
  }

  zoom(factor: number): void {
    this.zoomed = factor;
    this.element.style.setProperty('--zoom', String(factor));
  }

  private toggle(sheet: HTMLElement): void {
    const open = sheet.hidden;
    this.shut();
    sheet.hidden = !open;
    this.openers.find(([, one]) => one === sheet)?.[0].setAttribute('aria-expanded', String(open));
    if (open) sheet.querySelector<HTMLElement>('a, button')?.focus();
  }

  private makeMenu(): HTMLElement {
    const {texts, deeds} = this;
    const step = (by: number): void => {
      const at = ZOOMS.indexOf(this.zoomed) + by;
      if (ZOOMS[at]) deeds.zoom(ZOOMS[at]);
    };
    const item = (kind: string, path: string, label: string, deed: () => void, stays = false): HTMLElement =>
      make('li', {}, button({class: `item ${kind}`}, () => {
        if (!stays) this.shut();
        deed();
      }, icon(path, 20), label));
    const larger = item('larger', 'M4 18L9 6l5 12M5.600 14.500h6.800M16 12h5M18.500 9.500v5', texts.larger, () => step(1), true);
    const smaller = item('smaller', 'M4 18L9 6l5 12M5.600 14.500h6.800M16 12h5', texts.smaller, () => step(-1), true);
    return make(
      'ul',
      {class: 'sheet menu-sheet', id: 'calla-menu', 'aria-label': texts.menu, hidden: true},
      item('save', ICONS.save, texts.save, () => deeds.save()),
      item('print', ICONS.print, texts.print, () => deeds.print()),
      larger,
      smaller,
      item('restart', ICONS.clear, texts.clear, () => this.askToClear()),
    );
  }

  private makeConfirm(): HTMLDialogElement {
    const {texts, deeds} = this;
    const dialog = make('dialog', {class: 'confirm', role: 'alertdialog', 'aria-labelledby': 'calla-question'});
    const no = button({class: 'choice'}, () => dialog.close(), texts.clearNo);
    const yes = button({class: 'choice primary'}, () => {
      dialog.close();
      deeds.clear();
    }, texts.clearYes);
    dialog.append(make('p', {id: 'calla-question'}, texts.clearQuestion), make('div', {class: 'choices'}, no, yes));
    return dialog;
  }

  private askToClear(): void {
    this.confirm.showModal();
    this.confirm.querySelector('button')?.focus();
  }

  private listen(): void {
    const {signal} = this.ended;
    this.element.addEventListener('keydown', (event) => this.onKey(event as KeyboardEvent));
    this.element.addEventListener('cancel', (event) => {
      // The back gesture of a phone.
      if (event.target !== this.element) return;
      event.preventDefault();
      this.back();
    });
    this.element.addEventListener('click', (event) => {
      const path = event.composedPath();
      if (!this.openers.some((pair) => pair.some((one) => path.includes(one)))) this.shut();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.paint(), {signal});
    this.small.addEventListener('change', () => this.reopen(), {signal});
    for (const name of ['resize', 'scroll'] as const) visualViewport?.addEventListener(name, () => this.fitViewport(), {signal});
    // On paper the panel is part of the page, not a layer above it.
    matchMedia('print').addEventListener('change', (event) => this.onPaper(event.matches), {signal});
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key !== 'Escape' || this.confirm.open || event.isComposing) return;
    event.stopPropagation();
    event.preventDefault();
    this.back();
  }

  private back(): void {
    if (!this.shut() && !this.options.page) this.deeds.leave();
  }

  /** The screen has become small, or large: the panel changes its way of being open. */
  private reopen(): void {
    if (!(this.element instanceof HTMLDialogElement) || !this.element.open) return;
    const focused = this.root.activeElement as HTMLElement | null;
    this.close();
    this.open();
    focused?.focus({preventScroll: true});
  }

  private onPaper(printing: boolean): void {
    if (!(this.element instanceof HTMLDialogElement) || !this.element.open) return;
    this.hooks.above(!printing);
    if (this.element.dataset.modal !== 'true') return;
    this.element.close();
    if (printing) this.element.open = true;
    else this.element.showModal();
  }

  /**
   * Keep the panel above the on-screen keyboard, and within the screen where a site is wider
   * than it (phones then lay out what is fixed as wide as the site).
   */
  private fitViewport(): void {
    const viewport = visualViewport;
    const {style} = this.element;
    const modal = this.element.dataset.modal === 'true' && viewport?.scale === 1;
    const shorter = modal && viewport.height < innerHeight - 1;
    const narrower = modal && viewport.width < innerWidth - 1;
    style.height = shorter ? `${viewport.height}px` : '';
    style.top = shorter ? `${viewport.offsetTop}px` : '';
    style.bottom = shorter ? 'auto' : '';
    style.width = narrower ? `${viewport.width}px` : '';
    style.left = narrower ? `${viewport.offsetLeft}px` : '';
    style.right = narrower ? 'auto' : '';
  }

  private lock(on: boolean): void {
    const {style} = document.documentElement;
    if (on && this.before === undefined) {
      this.before = style.overflow;
      style.overflow = 'hidden';
    } else if (!on && this.before !== undefined) {
      style.overflow = this.before;
      this.before = undefined;
    }
  }

  private paint(): void {
    const {theme, color} = this.options;
    const dark = theme === 'dark' || (theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
    const colors = fill(color);
    const {style} = this.element;
    style.setProperty('--accent', colors.fill);
    style.setProperty('--on-accent', colors.text);
    style.setProperty('--link', dark ? legible(color, SURFACES.dark, '#ffffff', 5) : legible(color, SURFACES.light, '#000000', 5));
  }
}
