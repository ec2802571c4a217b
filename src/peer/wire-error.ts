/**
 * Errors on the wire. A coded error travels as a gRPC status with two trailers: its code and its details as
 * JSON. A cause never travels. What comes from a peer says so (`fromPeer`) and which peer (`place`).
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { CodedError, type ErrorCode, type ErrorDetails, errorCodes } from '../lib/coded-error.ts';
import { BadRequestSchema } from './generated/google/rpc/error_details_pb.ts';

type OutgoingDetail = NonNullable<ConstructorParameters<typeof ConnectError>[3]>[number];

const codeTrailer = 'tallystick-code';
const detailsTrailer = 'tallystick-details';

/** Characters of a message on the wire: trailers must fit a header block of 64 KiB when percent-encoded. */
const messageLengthMax = 2_048;

/** Characters of details on the wire, encoded; larger ones are left out. */
const detailsLengthMax = 16_384;

/** The status others than Tallysticks see. */
const statusOf: Readonly<Record<ErrorCode, Code>> = {
  'bad-argument': Code.InvalidArgument,
  'bad-records': Code.InvalidArgument,
  'bad-settings': Code.InvalidArgument,
  'bad-plan': Code.InvalidArgument,
  'bad-message': Code.InvalidArgument,
  'too-large': Code.ResourceExhausted,
  'not-found': Code.NotFound,
  'no-tree': Code.NotFound,
  'generation-gone': Code.FailedPrecondition,
  'settings-differ': Code.FailedPrecondition,
  'spelling-differs': Code.FailedPrecondition,
  'damaged-file': Code.DataLoss,
  'damaged-database': Code.DataLoss,
  'newer-format': Code.Unimplemented,
  busy: Code.ResourceExhausted,
  fuse: Code.FailedPrecondition,
  refused: Code.PermissionDenied,
  'key-used': Code.AlreadyExists,
  timeout: Code.DeadlineExceeded,
  unreachable: Code.Unavailable,
  cancelled: Code.Canceled,
  'read-only': Code.PermissionDenied,
  io: Code.Internal,
  internal: Code.Internal,
};

/** Any error of a call as the status that answers it. */
export function toWireError(error: unknown): ConnectError {
  const coded = error instanceof ConnectError ? fromBrokenCall(error) : CodedError.from(error);
  const trailers = new Headers({ [codeTrailer]: coded.code });
  const details = encodeDetails(coded.details);
  if (details !== null) trailers.set(detailsTrailer, details);
  const message = coded.message.slice(0, messageLengthMax).toWellFormed();
  const status = coded instanceof Unauthenticated ? Code.Unauthenticated : statusOf[coded.code];
  return new ConnectError(message, status, trailers, badRequestOf(coded));
}

/** Nobody who is known calls. */
export class Unauthenticated extends CodedError {
  constructor() {
    super('refused', 'a token is wanted: Authorization: Bearer TOKEN');
  }
}

/** Wrong members told in one status: with their sentences they must fit the trailers. */
const violationsMax = 20;

/** Which members of a request are wrong, as programs that know no codes of ours read it. */
function badRequestOf({ code, message, details }: CodedError): OutgoingDetail[] {
  const told = Array.isArray(details['problems']) ? details['problems'] : [{ reason: message, ...details }];
  const violations = told.flatMap(({ field, reason }: { field?: unknown; reason?: unknown }) =>
    typeof field === 'string' ? [{ field, description: String(reason ?? message), reason: code }] : [],
  );
  if (violations.length === 0) return [];
  return [{ desc: BadRequestSchema, value: { fieldViolations: violations.slice(0, violationsMax) } }];
}

/** Any error of a call to `place` as a coded error that names it. */
export function fromWireError(error: unknown, place: string): CodedError {
  if (error instanceof CodedError) {
    if ('place' in error.details) return error;
    return new CodedError(
      error.code,
      `${place}: ${error.message}`,
      { ...error.details, place },
      { cause: error },
    );
  }
  if (!(error instanceof ConnectError)) {
    return new CodedError(
      'unreachable',
      `the connection to ${place} broke: ${String(error)}`,
      { place },
      { cause: error },
    );
  }
  if (error.isWireError) return fromStatus(error, place);
  const broken = fromBrokenCall(error);
  const what = broken.code === 'bad-message' ? `${place} sent what cannot be read` : `no answer of ${place}`;
  return new CodedError(broken.code, `${what}: ${oneLine(error.rawMessage)}`, { place }, { cause: error });
}

/** Libraries below (OpenSSL) end their messages with line ends; here they stand in a sentence. */
function oneLine(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ');
}

/** Whether the other side said that it has no such call: it is something else than was thought. */
export function isUnknownCall(error: CodedError): boolean {
  return error.cause instanceof ConnectError && error.cause.code === Code.Unimplemented;
}

function fromStatus(error: ConnectError, place: string): CodedError {
  const told = error.metadata.get(codeTrailer);
  const code =
    told !== null && Object.hasOwn(errorCodes, told) ? (told as ErrorCode) : codeOfStatus(error.code);
  const details = { ...decodeDetails(error.metadata.get(detailsTrailer)), place, fromPeer: true };
  const message = oneLine(error.rawMessage.slice(0, messageLengthMax));
  return new CodedError(code, `${place} says: ${message}`, details, { cause: error });
}

/** Statuses without a code of ours: of a proxy, another server, or the library at the other end. */
function codeOfStatus(status: Code): ErrorCode {
  switch (status) {
    case Code.Unimplemented:
    case Code.PermissionDenied:
    case Code.Unauthenticated:
      return 'refused';
    case Code.DeadlineExceeded:
      return 'timeout';
    case Code.ResourceExhausted:
      return 'too-large';
    case Code.InvalidArgument:
    case Code.OutOfRange:
    case Code.Internal:
      return 'bad-message';
    default:
      return 'unreachable';
  }
}

/** What the library found wrong at this end: a message that cannot be read, one above a ceiling, a broken connection. */
function fromBrokenCall(error: ConnectError): CodedError {
  const because = { cause: error };
  if (error.cause instanceof CodedError) return error.cause;
  if (error.code === Code.ResourceExhausted)
    return new CodedError('too-large', error.rawMessage, {}, because);
  // How long an answer is waited for, as the caller said.
  if (error.code === Code.DeadlineExceeded) return new CodedError('timeout', error.rawMessage, {}, because);
  if (/ENHANCE_YOUR_CALM|REFUSED_STREAM/.test(error.rawMessage)) {
    return new CodedError('busy', error.rawMessage, {}, because);
  }
  const unreadable =
    error.code === Code.InvalidArgument ||
    /^(protocol error|parse |unsupported content|illegal|premature|invalid|cannot decode|unexpected response)/i.test(
      error.rawMessage,
    );
  // A connection that is cut looks to the library like an answer without an end.
  const cut = /missing (status|trailer)|incomplete|premature/i.test(error.rawMessage);
  if (unreadable && !cut) return new CodedError('bad-message', error.rawMessage, {}, because);
  return new CodedError('unreachable', error.rawMessage, {}, because);
}

function encodeDetails(details: ErrorDetails): string | null {
  const { cause: _, ...told } = details;
  const text = encodeURIComponent(
    JSON.stringify(told, (_key, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    ).toWellFormed(),
  );
  return text.length > detailsLengthMax ? null : text;
}

function decodeDetails(text: string | null): ErrorDetails {
  if (text === null || text.length > detailsLengthMax) return {};
  try {
    const details: unknown = JSON.parse(decodeURIComponent(text));
    if (typeof details === 'object' && details !== null && !Array.isArray(details)) return { ...details };
    return {};
  } catch {
    // Details are a help; without them the code and the message still stand.
    return {};
  }
}
