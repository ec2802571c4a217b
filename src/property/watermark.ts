/** Identifies the content of one property index. Equal watermarks mean the same content; between replicas they mean nothing. */
export interface Watermark {
  /** Number of committed writes, from 0. */
  readonly sequence: bigint;
  /** Random, set anew by each committed write, so that a restored database is never taken for unchanged; lowercase hex. */
  readonly token: string;
}

export function sameWatermark(a: Watermark, b: Watermark): boolean {
  return a.sequence === b.sequence && a.token === b.token;
}
