/** Errors as problem documents (RFC 9457): one catalogue of codes, lib/coded-error.ts, decides status and title. */
import { CodedError, type ErrorCode, errorCodes } from '../lib/coded-error.ts';

/** HTTP status of each code; what is not listed is the service's own fault. */
const statuses: Partial<Record<ErrorCode, number>> = {
  'bad-argument': 400,
  'bad-records': 400,
  'bad-plan': 400,
  'too-large': 413,
  'not-found': 404,
  'no-tree': 409,
  'generation-gone': 409,
  'settings-differ': 409,
  'spelling-differs': 409,
  busy: 503,
  fuse: 409,
  refused: 403,
  'key-used': 409,
  timeout: 504,
  unreachable: 502,
  'read-only': 403,
};

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly [extension: string]: unknown;
}

export const problemType = 'application/problem+json';

/** Members that RFC 9457 gives a meaning of its own; details of ours never stand in their place. */
const reserved: readonly string[] = ['type', 'title', 'status', 'detail', 'code', 'instance'];

/** The document for an error; `status` where the code alone does not tell. Never has a stack or a cause. */
export function problemOf(error: CodedError, status = statuses[error.code] ?? 500): Problem {
  const details = Object.fromEntries(
    Object.entries(error.details).filter(([name]) => !reserved.includes(name)),
  );
  return {
    ...details,
    type: `/problems/${error.code}`,
    title: titleOf(error.code),
    status,
    detail: error.message,
    code: error.code,
  };
}

/** The catalogue: every code with its meaning and status. */
export function problemCatalogue(): { code: string; title: string; meaning: string; status: number }[] {
  return (Object.keys(errorCodes) as ErrorCode[]).map((code) => ({
    code,
    title: titleOf(code),
    meaning: errorCodes[code],
    status: statuses[code] ?? 500,
  }));
}

/** A fault of the request that the framework found, in our codes. */
export function requestError(status: number, message: string): CodedError {
  if (status === 413) return new CodedError('too-large', message);
  if (status === 404) return new CodedError('not-found', message);
  return new CodedError('bad-argument', message);
}

// The words of the code: `not-found` is "not found".
function titleOf(code: string): string {
  return code.replaceAll('-', ' ');
}
