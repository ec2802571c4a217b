export type Spelling = 'compact' | 'spaced';
