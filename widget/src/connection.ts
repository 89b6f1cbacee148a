/**
 * Talks to the server: Socket.IO where it works, plain requests where it does not.
 *
 * Every message gets an id and stays in the outbox until its answer is complete. After a
 * break the server is asked what it knows; what it does not know is sent again under the
 * same id, so that nothing is lost and nothing is answered twice.
 */
import {io, type Socket} from 'socket.io-client';
import type {BotMessage, Contact, Handoff, Rating, Reply, SessionReply, Turn} from './protocol';
import {Requests, type Reason} from './requests';
import type {Keep, Pending} from './storage';

export type State = 'connecting' | 'ready' | 'offline' | 'refused';
export type Delivery = 'waiting' | 'unavailable' | 'sending' | 'sent' | 'later' | 'failed' | 'done';

export interface Listener {
  state(state: State, reason?: Reason, seconds?: number): void;
  session(session: SessionReply): void;
  user(turn: string, text: string): void;
  bot(message: BotMessage): void;
  done(turn: string): void;
  delivery(turn: string, delivery: Delivery): void;
  notice(turn: string, message: BotMessage): void;
  erased(): void;
  handoff(handoff: Handoff | null): void;
  /** Whom to call, told with a refusal: nothing else may be known yet. */
  contacts(contacts: Contact[]): void;
}

// Milliseconds.
const ACK_LIMIT = 8_000;
const ANSWER_LIMIT = 30_000;
const RETRY_FIRST = 1_000;
const RETRY_MOST = 10_000;
// Failed attempts of Socket.IO after which messages go by plain requests.
const ATTEMPTS = 3;
// Milliseconds that the first message waits for Socket.IO before it goes by a request.
const PATIENCE = 2_000;

export class Connection {
  private socket: Socket | undefined;
  private readonly ended = new AbortController();
  private outbox: Pending[];
  private inFlight: string | undefined;
  private state: State = 'connecting';
  private reason: Reason | undefined;
  private failures = 0;
  private looks = 0;
  private retry = RETRY_FIRST;
  private timer: number | undefined;
  private watchdog: number | undefined;
  private patience: number | undefined;
  private readonly requests: Requests;
  private starting = false;
  private maxLength = 10_000;

  constructor(
    private readonly server: string,
    private readonly keep: Keep,
    private readonly listener: Listener,
  ) {
    this.outbox = this.keep.pending;
    const {signal} = this.ended;
    this.requests = new Requests(server, keep, signal);
    addEventListener('online', () => this.wake(), {signal});
    addEventListener('offline', () => this.set('offline', 'offline'), {signal});
    const onShow = (): void => {
      if (document.visibilityState === 'visible' && this.state === 'offline') this.wake();
    };
    document.addEventListener('visibilitychange', onShow, {signal});
  }

  /** End for good: no more requests, listeners or sockets. */
  stop(): void {
    this.ended.abort();
    this.cancel();
    clearTimeout(this.watchdog);
    clearTimeout(this.patience);
    this.socket?.removeAllListeners().disconnect();
    this.socket = undefined;
  }

  /** Begin or resume the conversation. */
  async start(): Promise<void> {
    if (this.starting || this.ended.signal.aborted) return;
    this.starting = true;
    this.cancel();
    if (this.state !== 'ready') this.set('connecting');
    try {
      const session = (await this.requests.send('session', {})) as unknown as SessionReply;
      if (this.ended.signal.aborted) return;
      if (!session.ok) return void this.turnedAway(session);
      this.keep.set('token', session.token);
      this.maxLength = session.max_length;
      this.retry = RETRY_FIRST;
      this.listener.session(session);
      if (session.handoff !== undefined) this.listener.handoff(session.handoff);
      for (const turn of session.history) this.settle(turn.id, session.running);
      this.set('ready');
      this.connect(session.token);
      // Give Socket.IO a moment; after that the first message need not wait for it.
      clearTimeout(this.patience);
      this.patience = window.setTimeout(() => {
        this.patience = undefined;
        this.flush();
      }, PATIENCE);
    } catch {
      const reason = await this.requests.diagnose();
      this.set(reason === 'offline' ? 'offline' : 'refused', reason);
      this.later(() => void this.start());
    } finally {
      this.starting = false;
    }
  }

  /** The server answered, but there is no conversation now. */
  private turnedAway(reply: Reply): void {
    if (reply.message?.contacts) this.listener.contacts(reply.message.contacts);
    if (reply.error === 'origin_not_allowed') this.set('refused', 'origin');
    else this.set('offline', reply.error === 'rate_limited' ? 'limited' : 'busy', reply.retry_after);
    this.later(() => void this.start(), Math.min((reply.retry_after ?? 3) * 1000 + 200, 60_000));
  }

  /** Say something; it is delivered as soon as that is possible. */
  say(id: string, text: string): void {
    this.outbox.push({id, text: text.slice(0, this.maxLength)});
    this.store();
    if (this.state !== 'ready') this.listener.delivery(id, 'waiting');
    this.flush();
  }

  /** Give a thumb; whether it arrives is not worth troubling anyone. */
  rate(message: string, value: Rating): void {
    void this.call('rate', {message, value}).catch(() => undefined);
  }

  /** Ask for the turns before the oldest that is shown. */
  async earlier(turn: string): Promise<Turn[]> {
    const reply = await this.call('sync', {before: turn});
    // A server that does not know the question answers with the latest turns.
    return (reply.history ?? []).some((one) => one.id === turn) ? [] : (reply.history ?? []);
  }

  /** Ask what there is of a person: often without a socket, else in case nobody has told. */
  look(): void {
    if (this.socket?.connected && (this.looks += 1) % 4) return;
    const token = this.keep.get('token', '');
    // An answer about a conversation that has been erased meanwhile brings nothing back.
    void this.call('sync', {}).then((reply) => token === this.keep.get('token', '') && this.take(reply), () => undefined);
  }

  /** Erase the conversation on the server; true if that was done. */
  async erase(): Promise<boolean> {
    try {
      const reply = await this.call('erase', {});
      if (!reply.ok || !reply.token) return false;
      this.forget();
      this.keep.forget();
      this.keep.set('token', reply.token);
      this.socket?.disconnect();
      this.connect(reply.token);
      return true;
    } catch {
      return false;
    }
  }

  /** Forget messages that were not answered: the conversation they belong to is gone. */
  forget(): void {
    this.outbox = [];
    this.inFlight = undefined;
    clearTimeout(this.watchdog);
    this.store();
  }

  /** The messages that are still to be sent or answered. */
  get pending(): readonly Pending[] { return this.outbox; }

  // ----------------------------------------------------------------------------- transport

  private connect(token: string): void {
    if (this.socket) {
      this.socket.auth = {token};
      // Said twice, the server would close what is on its way already.
      if (!this.socket.active) this.socket.connect();
      return;
    }
    const socket = io(this.server, {
      path: '/chat/socket.io',
      auth: {token},
      // Otherwise socket.io keeps what was ended for another time.
      forceNew: true,
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      reconnectionDelay: RETRY_FIRST,
      reconnectionDelayMax: RETRY_MOST / 2,
      timeout: 10_000,
    });
    this.socket = socket;
    let first = true;
    socket.on('connect', () => {
      this.failures = 0;
      const again = !first;
      first = false;
      this.set('ready');
      // The first time the session has just told everything.
      if (again) void this.sync();
      else this.flush();
    });
    socket.on('disconnect', (reason) => {
      if (reason === 'io client disconnect') return;
      this.inFlight = undefined;
      if (reason !== 'io server disconnect') return this.set('offline', 'offline');
      this.set('connecting');
      this.later(() => void this.start());
    });
    socket.on('connect_error', (error) => {
      // The token has run out: a new session, then the waiting messages.
      if (error.message === 'unauthorized') return void this.start();
      this.failures += 1;
      if (this.failures >= ATTEMPTS) void this.viaRequests();
      else if (!socket.active) this.later(() => socket.connect());
    });
    socket.on('user', (turn: {id: string; text: string}) => this.listener.user(turn.id, turn.text));
    socket.on('bot', (message: BotMessage) => this.listener.bot(message));
    socket.on('done', ({turn}: {turn: string}) => this.finish(turn));
    socket.on('handoff', ({handoff}: Reply) => handoff !== undefined && this.listener.handoff(handoff));
    socket.on('erased', () => {
      this.forget();
      this.listener.erased();
      socket.disconnect();
      void this.start();
    });
  }

  /** Socket.IO does not come through: see whether plain requests do. */
  private async viaRequests(): Promise<void> {
    try {
      const reply = await this.requests.send('sync', {});
      if (reply.error === 'unauthorized') return void this.start();
      this.take(reply);
      this.set('ready');
      this.flush();
    } catch {
      this.set('offline', 'offline');
    }
  }

  private async sync(): Promise<void> {
    try {
      this.take(await this.call('sync', {}));
      this.flush();
    } catch {
      this.later(() => void this.sync());
    }
  }

  private take(reply: Reply): void {
    if (!reply.ok) return;
    if (reply.handoff !== undefined) this.listener.handoff(reply.handoff);
    for (const turn of reply.history ?? []) {
      this.listener.user(turn.id, turn.text);
      turn.messages.forEach((message) => this.listener.bot(message));
      this.settle(turn.id, reply.running ?? []);
    }
  }

  private async call(name: string, data: object): Promise<Reply> {
    if (this.socket?.connected) return (await this.socket.timeout(ACK_LIMIT).emitWithAck(name, data)) as Reply;
    return this.requests.send(name, data);
  }

  // -------------------------------------------------------------------------------- outbox

  /** Send the oldest message, one at a time: the server answers them in turn as well. */
  private flush(): void {
    if (this.state !== 'ready' || this.inFlight || this.timer !== undefined) return;
    if (this.patience !== undefined && !this.socket?.connected) return;
    const [next] = this.outbox;
    if (!next) return;
    this.inFlight = next.id;
    this.listener.delivery(next.id, 'sending');
    void this.deliver(next);
  }

  private async deliver(message: Pending): Promise<void> {
    try {
      let reply: Reply;
      if (this.socket?.connected) {
        reply = (await this.socket.timeout(ACK_LIMIT).emitWithAck('say', message)) as Reply;
        if (reply.ok) {
          this.listener.delivery(message.id, 'sent');
          // Should the end of the answer never be told, ask for it.
          clearTimeout(this.watchdog);
          this.watchdog = window.setTimeout(() => this.inFlight === message.id && this.reask(), ANSWER_LIMIT);
          return;
        }
      } else {
        reply = await this.requests.send('message', message);
        if (reply.ok) {
          reply.messages?.forEach((answer) => this.listener.bot(answer));
          this.finish(message.id);
          return;
        }
      }
      this.refused(message, reply);
    } catch {
      if (this.inFlight === message.id) this.inFlight = undefined;
      this.listener.delivery(message.id, 'waiting');
      if (!this.socket?.connected) this.set('offline', 'offline');
      this.later(() => this.wake());
    }
  }

  private refused(message: Pending, reply: Reply): void {
    if (this.inFlight === message.id) this.inFlight = undefined;
    reply.messages?.forEach((referral) => this.listener.bot(referral));
    if (reply.error === 'unauthorized') {
      void this.start();
    } else if (reply.retry_after !== undefined) {
      if (reply.message) this.listener.notice(message.id, reply.message);
      this.listener.delivery(message.id, 'later');
      this.later(() => this.flush(), reply.retry_after * 1000 + 200);
    } else {
      if (reply.message) this.listener.notice(message.id, reply.message);
      this.outbox = this.outbox.filter((other) => other.id !== message.id);
      this.store();
      this.listener.delivery(message.id, 'failed');
      this.flush();
    }
  }

  private reask(): void {
    this.inFlight = undefined;
    void this.sync();
  }

  /** An answer is complete. */
  private finish(turn: string): void {
    if (this.inFlight === turn) {
      this.inFlight = undefined;
      clearTimeout(this.watchdog);
    }
    this.outbox = this.outbox.filter((message) => message.id !== turn);
    this.store();
    this.listener.delivery(turn, 'done');
    this.listener.done(turn);
    this.flush();
  }

  /** A turn that the server knows: complete, or waited for if it is still being answered. */
  private settle(turn: string, running: string[]): void {
    if (!this.outbox.some((message) => message.id === turn)) return;
    if (running.includes(turn)) this.inFlight = turn;
    else this.finish(turn);
  }

  private store(): void {
    this.keep.set('pending', this.outbox);
  }

  // --------------------------------------------------------------------------------- state

  private wake(): void {
    this.retry = RETRY_FIRST;
    if (!this.keep.get('token', '') || !this.socket) void this.start();
    else if (this.socket.connected) {
      this.set('ready');
      this.flush();
    } else {
      this.set('connecting');
      if (!this.socket.active) this.socket.connect();
      if (this.failures >= ATTEMPTS) void this.viaRequests();
    }
  }

  private cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private later(action: () => void, after?: number): void {
    this.cancel();
    // What failed because we ended is not tried again.
    if (this.ended.signal.aborted) return;
    const wait = after ?? this.retry * (0.75 + Math.random() / 2);
    if (after === undefined) this.retry = Math.min(this.retry * 2, RETRY_MOST);
    this.timer = window.setTimeout(() => {
      this.timer = undefined;
      action();
    }, wait);
  }

  private set(state: State, reason?: Reason, seconds?: number): void {
    if (this.ended.signal.aborted || (this.state === state && this.reason === reason)) return;
    this.state = state;
    this.reason = reason;
    this.listener.state(state, reason, seconds);
    if (state === 'offline' || state === 'refused') this.outbox.forEach((message) => this.listener.delivery(message.id, 'waiting'));
  }
}
