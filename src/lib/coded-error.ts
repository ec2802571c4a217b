/**
 * The one error type for what goes wrong outside our own code: bad input, damaged files, refusals,
 * broken peers. Its code is part of the interface; the sentence beside each code below says what an
 * operator should understand and do. Our own mistakes are assertions, not coded errors.
 */

/** What the failing thing was: names, places, numbers. Goes into `--json` output and logs as it is. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** Every code that leaves the program. */
export const errorCodes = {
  'bad-argument':
    'An option, place or request is wrong; nothing was done. The message names it and its value.',
  'bad-records':
    'Records to load are wrong; nothing was changed. `problems` lists file, line, field and value.',
  'bad-settings': 'A settings file or variable is wrong; every problem is listed.',
  'bad-plan': 'A plan file is damaged or does not fit these places; make a new one with a dry run.',
  'bad-message':
    'A peer sent something its protocol does not allow; the run with it ended, nothing else did.',
  'too-large': 'Something is larger than its ceiling; the message names both. Nothing was stored.',
  'not-found': 'The named group, shard, entity, file or run does not exist.',
  'no-tree': 'The place has no tree for this shard yet: build one first.',
  'generation-gone': 'The tree generation a view was pinned to is gone; compare again.',
  'settings-differ':
    'A group has another shard count or slot scheme at two places, or a set value was given anew.',
  'spelling-differs':
    'Two trees were made from differently spelled JSON, and one of them is a file that cannot be spelled anew.',
  'damaged-file': 'A file fails its checks; the message names it and the place in it. It was not used.',
  'damaged-database':
    'A property database fails its checks; restore it from a backup or empty the shard and repair it.',
  'newer-format': 'A file or database was written by a newer version of the program; upgrade to read it.',
  busy: 'Another process holds what is needed; try again, the message names what.',
  fuse: 'The repair would replace more live properties than allowed; look at a dry run, then confirm the number.',
  refused: 'The other side will not do this; the message gives its reason.',
  'key-used':
    'The idempotency key came with another order before; nothing was done. A new order takes a new key.',
  timeout: 'A step took longer than its timeout; the message names the step.',
  unreachable: 'A place could not be reached or the connection broke.',
  cancelled: 'The run was cancelled; running it again continues it.',
  'read-only': 'The place can be read only: a tree file or a read-only directory.',
  io: 'The operating system refused a file operation; the message has its reason.',
  internal: 'A fault in the program itself; please report it with the log.',
} as const;

export type ErrorCode = keyof typeof errorCodes;

export class CodedError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CodedError';
    this.code = code;
    this.details = details;
  }

  /** Plain form for JSON output and for crossing a worker or process border; the cause stays here. */
  toJSON(): { code: ErrorCode; message: string } & ErrorDetails {
    return { ...this.details, code: this.code, message: this.message };
  }

  /** Inverse of {@link toJSON}; anything else becomes an `internal` error that keeps the text. */
  static fromJSON(value: unknown): CodedError {
    if (typeof value === 'object' && value !== null && 'code' in value && 'message' in value) {
      const { code, message, ...details } = value as { code: unknown; message: unknown };
      if (typeof code === 'string' && code in errorCodes) {
        return new CodedError(code as ErrorCode, String(message), details);
      }
    }
    return new CodedError('internal', String(value));
  }

  /** Any thrown value as a coded error: aborts become `cancelled` or `timeout`, errno values `io`. */
  static from(error: unknown): CodedError {
    if (error instanceof CodedError) return error;
    if (error instanceof Error) {
      if (error.name === 'TimeoutError')
        return new CodedError('timeout', error.message, {}, { cause: error });
      if (error.name === 'AbortError') {
        if (error.cause instanceof CodedError) return error.cause;
        return new CodedError('cancelled', 'the run was cancelled', {}, { cause: error });
      }
      if ('syscall' in error && 'code' in error) {
        const path = 'path' in error ? { path: error.path } : {};
        return new CodedError('io', error.message, { errno: error.code, ...path }, { cause: error });
      }
      return new CodedError('internal', error.message, {}, { cause: error });
    }
    return new CodedError('internal', String(error));
  }
}
