import { rm } from "node:fs/promises";
import { setImmediate as nextTick } from "node:timers/promises";
import { PawlError } from "../../core/errors.ts";
import {
  type FolderBounds,
  type FolderListing,
  type FoundFile,
  listFolder,
  readInside,
  type SkipList,
} from "./document-folder.ts";
import { DocumentIndex, type IndexCache, isBusy, isSqliteError } from "./document-index.ts";
import { type Passage, passagesOf } from "./document-passages.ts";
import { documentText } from "./document-text.ts";

/** Passages written between two looks at the event loop: about 5 ms of work. */
const PASSAGES_AT_ONCE = 64;

export interface IndexedFolder {
  readonly index: DocumentIndex;
  readonly skipped: SkipList;
}

/**
 * Brings an index in line with a folder: new and changed files are read, those that are gone are removed.
 * @param root a real path, from `checkFolder`
 * @throws FOLDER_UNUSABLE when there is nothing in it that can be read
 */
export async function indexFolder(
  root: string,
  bounds: FolderBounds,
  cacheFile: string | undefined,
): Promise<IndexedFolder> {
  const listing = await listFolder(root, bounds);
  const cache = cacheFile === undefined ? null : { file: cacheFile, root };
  const index = await filledIndex(root, { listing, bounds, cache });
  const documents = index.documents();
  for (const { file, reason } of documents) if (reason !== null) listing.skipped.add(file, reason);
  if (documents.some(({ reason }) => reason === null)) return { index, skipped: listing.skipped };
  index.close();
  throw new PawlError("FOLDER_UNUSABLE", emptyMessage(root, listing.skipped));
}

interface Filling {
  readonly listing: FolderListing;
  readonly bounds: FolderBounds;
  readonly cache: IndexCache | null;
}

/** A cache that turns out to be damaged goes, if it can; in this process memory takes its place. */
async function filledIndex(root: string, filling: Filling): Promise<DocumentIndex> {
  const index = DocumentIndex.open(filling.cache);
  try {
    await fill(index, root, filling);
    return index;
  } catch (error) {
    index.close();
    if (filling.cache === null || !isSqliteError(error)) throw error;
    if (!isBusy(error)) await rm(filling.cache.file, { force: true }).catch(() => undefined);
    return filledIndex(root, { ...filling, cache: null });
  }
}

async function fill(index: DocumentIndex, root: string, { listing, bounds }: Filling): Promise<void> {
  index.begin();
  const present = new Set(listing.files.map(({ file }) => file));
  for (const { file } of index.documents()) if (!present.has(file)) index.remove(file);
  for (const found of listing.files) {
    const known = index.document(found.file);
    if (known !== null && known.bytes === found.bytes && known.mtimeMs === found.mtimeMs) continue;
    await addFile(index, { root, found, bounds });
  }
  index.commit();
}

async function addFile(
  index: DocumentIndex,
  { root, found, bounds }: { readonly root: string; readonly found: FoundFile; readonly bounds: FolderBounds },
): Promise<void> {
  const { reason, lines, passages } = await contentOf(root, found.file, bounds);
  const firstRow = index.addDocument({ ...found, lines, reason }, passages.length);
  for (let i = 0; i < passages.length; i += PASSAGES_AT_ONCE) {
    index.addPassages(found.file, firstRow + i, passages.slice(i, i + PASSAGES_AT_ONCE));
    await nextTick();
  }
}

interface Content {
  readonly reason: string | null;
  readonly lines: number;
  readonly passages: readonly Passage[];
}

async function contentOf(root: string, file: string, bounds: FolderBounds): Promise<Content> {
  const read = await readInside(root, file, bounds.fileBytesMax);
  const text = read.ok ? documentText(file, read.bytes) : read;
  if (!text.ok) return { reason: text.reason, lines: 0, passages: [] };
  return { reason: null, lines: text.lines.length, passages: passagesOf(text.kind, text.lines) };
}

function emptyMessage(root: string, skipped: SkipList): string {
  const first = skipped.kept.slice(0, 3).map(({ file, reason }) => `${file} (${reason})`);
  const found = skipped.count === 0 ? "It is empty." : `Skipped ${skipped.count}: ${first.join(", ")}.`;
  return `folder "${root}" has no document that can be read. ${found} Give a folder with Markdown, text, HTML or source code.`;
}
