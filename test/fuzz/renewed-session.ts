/** A connection for many calls, made anew where it broke, and now and then without need. */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { SeededRandom } from '../support/seeded-random.ts';

export class RenewedSession implements Disposable {
  readonly #url: string;
  #session: ClientHttp2Session;

  /** Certificates are not looked at. */
  constructor(url: string) {
    this.#url = url;
    this.#session = this.#connect();
  }

  #connect(): ClientHttp2Session {
    const session = connect(this.#url, { rejectUnauthorized: false });
    session.on('error', () => session.destroy());
    return session;
  }

  /** The one that the next call goes over. */
  next(random: SeededRandom): ClientHttp2Session {
    if (this.#session.destroyed || this.#session.closed || random.chance(0.02)) {
      this.#session.destroy();
      this.#session = this.#connect();
    }
    return this.#session;
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}
