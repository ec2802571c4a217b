/** Reads requests while earlier ones are worked on, a bounded number of them, and answers in the order asked. */

export interface AnswerOptions<In, Out> {
  /** Requests taken in before the first of them is answered. */
  readonly ahead: number;
  read(): Promise<IteratorResult<In, unknown>>;
  /** Bounds the wait for a request while nothing is being worked on. */
  waitForPeer<T>(reading: Promise<T>): Promise<T>;
  /** Called in the order read, each without waiting for the one before. */
  work(request: In): Promise<Out>;
}

export async function* answerInOrder<In, Out>(options: AnswerOptions<In, Out>): AsyncGenerator<Out> {
  const working: Promise<Out>[] = [];
  let reading: Promise<IteratorResult<In, unknown>> | null = null;
  let ended = false;
  const take = (next: IteratorResult<In, unknown>): void => {
    reading = null;
    if (next.done) {
      ended = true;
      return;
    }
    const work = options.work(next.value);
    // Whoever awaits it in its turn learns of a failure; until then it is nobody's.
    work.catch(() => undefined);
    working.push(work);
  };
  for (;;) {
    if (!ended && reading === null && working.length < options.ahead) {
      reading = options.read();
      reading.catch(() => undefined);
    }
    const [first] = working;
    if (first === undefined) {
      if (reading === null) return;
      take(await options.waitForPeer(reading));
    } else if (reading === null || (await firstOf(first, reading)) === 'worked') {
      yield await first;
      working.shift();
    } else {
      take(await reading);
    }
  }
}

async function firstOf(work: Promise<unknown>, reading: Promise<unknown>): Promise<'worked' | 'read'> {
  return await Promise.race([work.then(() => 'worked' as const), reading.then(() => 'read' as const)]);
}
