/**
 * What a property is, as BanyanDB's `banyandb.property.v1.Property` has it: a keyed document with typed tags.
 * Pure data; source-json.ts reads and writes its stored text, validate-record.ts checks what comes from people.
 */

/** A point in time: seconds since 1970 (years 0001 to 9999) and nanoseconds of the second (0 to 999,999,999). */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** A tag's value: the seven kinds of `banyandb.model.v1.TagValue`, plus the empty message (`{}`) that names no kind. */
export type TagValue =
  | { readonly kind: 'empty' }
  | { readonly kind: 'null' }
  | { readonly kind: 'str'; readonly value: string }
  | { readonly kind: 'strArray'; readonly value: readonly string[] }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'intArray'; readonly value: readonly bigint[] }
  | { readonly kind: 'binaryData'; readonly value: Buffer }
  | { readonly kind: 'timestamp'; readonly value: Timestamp };

/** One tag; `value` null means the member is absent, which is spelled and digested otherwise than a null value. */
export interface Tag {
  readonly key: string;
  readonly value: TagValue | null;
}

export interface Property {
  readonly group: string;
  readonly name: string;
  readonly id: string;
  /** `metadata.id`, an unsigned 32-bit number BanyanDB carries along; 0 when unset. */
  readonly metadataId: number;
  /** Revision of the entity's first live version, nanoseconds; int64, 0 when unset. */
  readonly createRevision: bigint;
  /** Revision of this version, nanoseconds; int64. */
  readonly modRevision: bigint;
  readonly tags: readonly Tag[];
  /** Null when unset. */
  readonly updatedAt: Timestamp | null;
}
