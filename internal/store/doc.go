// Package store keeps embeddings on disk: it is written by one extract, or by
// several at once, and read by anyone, also by pandas, polars and DuckDB.
//
// Open checks every byte before it returns rows. OpenForWriting locks the store; its Writer
// then plans what is missing, takes chunk by chunk, and finishes.
//
// # What a caller must keep to
//
// An embedding must be a function of the manifest, the photo's bytes and the
// view alone: random views are drawn with the photo's SHA256 as the key, not
// its path or number. Where the last bits of an embedding depend on what shares
// a batch with the photo, batches must be made inside a chunk, in the order of
// its jobs: then a resumed run has the bits of one that was never stopped.
//
// # What is in the folder
//
//	manifest.json                what made the rows; class names
//	shard-00000.arrow …          the rows: Arrow IPC files of about 16 MiB
//	shard-2-of-8-00000.arrow …   rows written by process 2 of 8
//	index.json                   the shards as the last finished run left them
//	lock, *.lock                 who writes, for as long as the process lives
//	statcache*                   hashes of photo files by size, time and inode; may be deleted
//	checked*.json                the shards whose every byte was compared, likewise
//
// A shard has the columns path, sha256 (of the photo, hex), class, split, label,
// view and embedding (a list of fixed size, flattened row-major; the schema's
// metadata has its shape as fx.feature_shape). The same rows make the same bytes.
//
// # How it stays right
//
// A row is found again by path, photo hash and view, so a changed photo is
// computed anew, and nothing else is. A photo that was renamed or moved to
// another class is found by its hash, and its embedding is copied.
//
// Rows are planned in the order of the entries; each RowsPerShard of them are a
// chunk, whether or not some are in the store already or turn out to be
// unreadable. What a chunk lacks becomes one new file with the lowest free
// number. So a run that is killed and started again goes on with the same
// chunks and ends in the same bytes.
//
// Finish then drops the rows of photos that are gone or changed, and corrects
// labels, by rewriting only the files that hold them. A file is never changed
// in place: a reader keeps what it has mapped.
//
// Every shard carries a seal: checksums of itself, in the metadata of its
// schema. Open checks every byte by it before it gives a row away, and so does Verify;
// ReadInfo checks all but the embeddings, which reads a few kilobytes of each file.
// OpenForWriting checks every byte of those files that are new or have changed since a
// writer checked them, and drops what is damaged: its rows are computed again. Names of
// missing files are known from the index, which is removed before Finish touches a shard
// and written after. Manifest and index have checksums of themselves.
//
// # Hashes
//
// On a fresh store no photo is read twice: Load hashes what is read to be
// decoded. On a store that has rows, Plan hashes the photos whose size, time or
// inode is not in the statcache; after a first run that was killed, only those of
// them that have a row. So a second run over 10,000 photos reads none of them.
//
// # Several processes
//
// With WriteOptions.Shard i/n, process i does the photos whose path falls to it
// (Shard.Owns) and drops only stale rows of such paths, whichever file they are
// in. The processes share the lock; each has one of its own, and
// maintenance.lock serves for the moments in which they touch the manifest, the
// index or each other's files. Readers, another number of processes and the
// whole job see the union.
package store
