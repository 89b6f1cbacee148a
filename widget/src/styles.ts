/** Looks. Colours are variables on the panel, so that both parts of the chat share them. */

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", sans-serif';

const LIGHT = `
  --bg: #f7f6f2; --surface: #ffffff; --text: #1e2829; --muted: #566365; --line: #d9ddd8; --field: #7c8886;
  --note: #eef1ec; --shadow: 0 2px 6px rgb(20 30 30 / .12), 0 16px 48px rgb(20 30 30 / .22);
  --alarm-bg: #fdeeee; --alarm: #a3201a; --soon-bg: #fff5e2; --soon: #8a4a00; --calm-bg: #edf4fb; --calm: #1c5488;
  --ok: #1d6b3a; --some: #7a5200; --no: #8c2f28;`;
const DARK = `
  --bg: #151a1b; --surface: #1f2728; --text: #e7ecea; --muted: #a7b3b2; --line: #39454a; --field: #84918f;
  --note: #1c2324; --shadow: 0 2px 6px rgb(0 0 0 / .5), 0 16px 48px rgb(0 0 0 / .6);
  --alarm-bg: #3a1d1c; --alarm: #ffb1a9; --soon-bg: #35280f; --soon: #ffc979; --calm-bg: #1a2a3a; --calm: #a5cdf3;
  --ok: #8fd6a8; --some: #efc67a; --no: #f3ada6;`;

const HIDDEN = 'position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap;';

export const PANEL_STYLES = `
.panel {${LIGHT}
  position: fixed; inset-block-end: max(20px, env(safe-area-inset-bottom)); z-index: 2147483000; box-sizing: border-box;
  display: flex; flex-direction: column; overflow: hidden;
  width: min(420px, calc(100vw - 40px)); height: min(680px, calc(100vh - 40px)); height: min(680px, calc(100dvh - 40px));
  border: 1px solid var(--line); border-radius: 18px; background: var(--bg); color: var(--text); box-shadow: var(--shadow);
  font: 400 max(16px, 1rem)/1.5 ${FONT}; text-align: start; animation: rise .18s ease-out;
}
.panel[data-theme=dark] {${DARK}}
@media (prefers-color-scheme: dark) { .panel[data-theme=auto] {${DARK}} }
.panel[hidden] { display: none; }
.panel.right { right: max(20px, env(safe-area-inset-right)); }
.panel.left { left: max(20px, env(safe-area-inset-left)); }
.panel.page { position: absolute; inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; box-shadow: none; animation: none; }
@keyframes rise { from { opacity: 0; transform: translateY(12px); } }
.panel *, .panel *::before { box-sizing: border-box; }
.panel header { display: flex; align-items: center; gap: 12px; padding: 12px 10px 12px 16px; background: var(--accent); color: var(--on-accent); }
[dir=rtl] header { padding: 12px 16px 12px 10px; }
.mark { flex: none; display: grid; place-items: center; width: 40px; height: 40px; border-radius: 50%; border: 1.5px solid currentColor; }
.who { flex: 1; min-width: 0; }
.title { margin: 0; font-size: 1.125em; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
.state { margin: 0; font-size: .875em; line-height: 1.3; }
.icon-button {
  flex: none; display: grid; place-items: center; width: 44px; height: 44px; padding: 0; border: 0; border-radius: 12px;
  background: none; color: inherit; cursor: pointer;
}
.icon-button:hover { background: color-mix(in srgb, currentColor 14%, transparent); }
.icon-button:focus-visible { outline: 2px solid currentColor; outline-offset: -4px; }
.note { margin: 0; padding: 8px 16px; border-bottom: 1px solid var(--line); background: var(--note); font-size: .875em; line-height: 1.4; }
.note strong { font-weight: 650; }
.trouble { margin: 0; padding: 8px 16px; display: flex; gap: 8px; align-items: flex-start; border-bottom: 1px solid var(--line); background: var(--soon-bg); color: var(--soon); font-size: .875em; }
.trouble[hidden], .confirm[hidden] { display: none; }
.trouble svg { flex: none; margin-top: 2px; }
.chat { flex: 1; min-height: 0; position: relative; }
.confirm { position: absolute; inset: 0; z-index: 5; display: grid; place-items: center; padding: 20px; background: color-mix(in srgb, var(--bg) 82%, transparent); }
.confirm > div { max-width: 320px; padding: 20px; border: 1px solid var(--line); border-radius: 14px; background: var(--surface); box-shadow: var(--shadow); }
.confirm p { margin: 0 0 16px; font-weight: 600; }
.choices { display: flex; flex-wrap: wrap; gap: 10px; }
.choice { min-height: 44px; padding: 8px 18px; border: 1.5px solid var(--field); border-radius: 22px; background: var(--surface); color: var(--text); font: inherit; font-weight: 600; cursor: pointer; }
.choice.primary { border-color: var(--alarm); color: var(--alarm); }
.choice:hover { background: var(--note); }
.choice:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.hidden { ${HIDDEN} }
@media (max-width: 480px), (max-height: 420px) {
  .panel:not(.page) { inset: 0; width: 100%; height: 100%; height: 100dvh; border: 0; border-radius: 0; }
}
@media (max-height: 520px) { .panel header { padding-block: 4px; } .note { padding-block: 4px; } .mark { display: none; } }
@media (prefers-reduced-motion: reduce) { .panel { animation: none; } }
@media (forced-colors: active) { .panel header, .icon-button, .note { border: 1px solid CanvasText; } }
@media print {
  .panel, .panel.page { display: block; position: static !important; width: auto !important; height: auto !important; overflow: visible; border: 0; box-shadow: none; color: #000; background: #fff; --text: #000; --surface: #fff; --muted: #333; }
  .panel[hidden] { display: none; }
  .panel header { background: none; color: #000; padding: 0 0 8px; }
  .icon-button, .state, .trouble, .confirm { display: none !important; }
  .chat { height: auto; overflow: visible; }
}
`;

export const THREAD_STYLES = `
:host { display: block; overflow: visible !important; border: 0 !important; }
#container, #chat-view { height: 100%; }
#chat-view { grid-template-rows: minmax(0, 1fr) auto; }
#messages { padding: 12px 14px 8px; scrollbar-width: thin; scrollbar-color: var(--field) transparent; overscroll-behavior: contain; overflow-x: hidden; }
#messages:focus-visible { outline: 2px solid var(--link); outline-offset: -2px; }
.inner-message-container { width: 100%; }
.message-bubble { max-width: 100%; margin-top: 10px; padding: 0; line-height: 1.5; overflow-wrap: anywhere; border-radius: 16px; border: 1px solid transparent; box-sizing: border-box; }
calla-message { display: block; }
.user { max-width: 86%; padding: 9px 14px; background: var(--accent); color: var(--on-accent); border-end-end-radius: 5px; }
.said { white-space: pre-wrap; }
.delivery { display: flex; align-items: flex-start; gap: 6px; margin: 6px 0 0; padding-top: 6px; border-top: 1px solid currentColor; font-size: .8125em; }
.delivery[hidden] { display: none; } .delivery svg { flex: none; margin-top: .12em; }
.again { min-height: 32px; padding: 2px 12px; border: 1.5px solid currentColor; border-radius: 16px; background: none; color: inherit; font: inherit; font-weight: 600; cursor: pointer; }
.answer, .notice { padding: 12px 14px 8px; background: var(--surface); color: var(--text); border-color: var(--line); border-end-start-radius: 5px; }
.notice { border-style: dashed; padding-bottom: 12px; }
.referral { padding: 14px 16px 8px; border-width: 1px; border-style: solid; border-inline-start-width: 6px; color: var(--text); width: 100%; border-radius: 12px; }
.referral.emergency, .referral.crisis { background: var(--alarm-bg); border-color: var(--alarm); }
.referral.urgent { background: var(--soon-bg); border-color: var(--soon); }
.referral.planned, .referral.prescriber { background: var(--calm-bg); border-color: var(--calm); }
.referral-heading { display: flex; align-items: center; gap: 10px; margin: 0 0 8px; font-size: 1.0625em; line-height: 1.3; }
.referral-heading svg { flex: none; }
.emergency .referral-heading, .crisis .referral-heading { color: var(--alarm); }
.urgent .referral-heading { color: var(--soon); }
.planned .referral-heading, .prescriber .referral-heading { color: var(--calm); }
.divider { padding: 0; width: 100%; background: none; color: var(--muted); font-size: .8125em; text-align: center; }
.divider p { display: flex; align-items: center; gap: 10px; margin: 4px 0; }
.divider p::before, .divider p::after { content: ""; flex: 1; height: 1px; background: var(--line); }
.body p { margin: 0; } .body p + p, .body ul + p { margin-top: .6em; } .body ul { margin: .5em 0; padding-inline-start: 1.3em; } .body li + li { margin-top: .25em; }
.referral .body p + p { margin-top: .4em; }
.evidence { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; margin: 12px 0 0; font-size: .875em; line-height: 1.4; }
.badge { display: inline-flex; align-items: center; gap: 5px; padding: 2px 10px 2px 6px; border: 1.5px solid currentColor; border-radius: 14px; font-weight: 650; }
.why { color: var(--muted); }
.supported .badge { color: var(--ok); } .limited .badge { color: var(--some); } .not_supported .badge { color: var(--no); } .general .badge { color: var(--muted); }
.sources { margin-top: 12px; padding-top: 10px; border-top: 1px solid var(--line); font-size: .875em; line-height: 1.4; }
.small-heading { margin: 0 0 4px; font-weight: 650; }
.sources ul { margin: 0; padding: 0; list-style: none; } .sources li { padding: 3px 0; }
.sources a { color: var(--link); text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: 2px; display: inline-block; min-height: 24px; }
.sources a:hover { text-decoration-thickness: 2px; }
.checked { margin: 6px 0 0; color: var(--muted); }
.tools { display: flex; gap: 2px; margin: 6px -8px 0; }
.tool { display: grid; place-items: center; width: 40px; height: 36px; padding: 0; border: 1px solid transparent; border-radius: 10px; background: none; color: var(--muted); cursor: pointer; }
.tool:hover { background: color-mix(in srgb, currentColor 10%, transparent); color: var(--text); }
.tool[aria-pressed=true] { color: var(--link); border-color: currentColor; }
.tool[aria-pressed=true] svg { fill: color-mix(in srgb, currentColor 22%, transparent); }
.replies { display: flex; flex-wrap: wrap; gap: 8px; margin: 14px 0 8px; }
.reply { min-height: 40px; padding: 7px 15px; border: 1.5px solid var(--link); border-radius: 20px; background: var(--surface); color: var(--link); font: inherit; font-size: .9375em; font-weight: 550; line-height: 1.3; text-align: start; cursor: pointer; }
.reply:hover { background: var(--link); color: var(--surface); }
a:focus-visible, button:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 10px; }
.reply:focus-visible { border-radius: 20px; }
.user button:focus-visible { outline-color: currentColor; }
.deep-chat-loading-message-bubble { width: auto; padding: 16px 26px 16px 26px; background: var(--surface); border-color: var(--line); --loading-message-color: var(--muted) !important; --loading-message-color-fade: var(--line) !important; }
#input { box-sizing: border-box; padding: 10px 12px 12px; border-top: 1px solid var(--line); background: var(--bg); display: flex; align-items: flex-end; gap: 8px; }
#text-input-container { flex: 1; width: auto; margin: 0; min-width: 0; max-height: 9em; border: 1.5px solid var(--field); border-radius: 22px; background: var(--surface); box-shadow: none; }
#text-input-container:focus-within { outline: 2px solid var(--link); outline-offset: 1px; }
#text-input { min-height: 1.5em; padding: 9px 16px; color: var(--text); line-height: 1.5; font-size: 1em; overflow-wrap: anywhere; overflow: auto; }
[contenteditable][textcolor]:empty:before { color: var(--muted); }
.input-button-container { margin: 0; } .input-button-container:empty { display: none; }
.outside-end { position: static; }
.input-button { display: grid; place-items: center; width: 44px; height: 44px; margin: 0; border-radius: 50%; background: var(--accent); color: var(--on-accent); border: 2px solid transparent; box-sizing: border-box; }
.input-button:hover, .input-button:focus-visible, .input-button:active { background: var(--accent); filter: brightness(1.08); }
.input-button:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.input-button[aria-disabled=true] { background: transparent; color: var(--muted); border-color: var(--line); cursor: default; filter: none; }
.input-button svg { width: 22px; height: 22px; fill: currentColor; filter: none !important; position: static; transform: none; margin: 0; }
.hidden { ${HIDDEN} }
::-webkit-scrollbar { width: auto; } ::-webkit-scrollbar-thumb, ::-webkit-scrollbar-track { background: initial; }
@media (prefers-reduced-motion: reduce) { .loading-message-dots, .loading-message-dots::before, .loading-message-dots::after { animation: none; } }
@media (forced-colors: active) {
  .message-bubble, .reply, .tool, .input-button { border-color: CanvasText; }
  .user { border-style: double; border-width: 3px; }
  .referral { border-width: 3px; }
  .input-button svg { fill: ButtonText; }
}
@media print {
  :host { height: auto !important; }
  #container, #chat-view { display: block; height: auto; }
  #messages { overflow: visible; padding: 0; }
  #input, .replies, .tools { display: none; }
  .message-bubble { break-inside: avoid; border-color: #777; background: #fff !important; color: #000 !important; }
  .sources a::after { content: " (" attr(href) ")"; overflow-wrap: anywhere; }
}
`;
