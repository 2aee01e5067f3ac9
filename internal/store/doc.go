// Package store keeps embeddings on disk. One extract writes a store, or several at once; anything can read it, also
// pandas, polars and DuckDB.
//
// Open checks every byte before it returns rows. OpenForWriting locks the store; its Writer then plans what is
// missing, writes chunk by chunk, and finishes.
//
// # Requirements on callers
//
// An embedding must depend only on the manifest, the photo's bytes and the view: random views are drawn with the
// photo's SHA256 as the key, not with its path or number. If the last bits of an embedding depend on the other photos
// of its batch, batches must not cross chunks, and must have the order of the chunk's jobs: a resumed run then has the
// bits of one that was never stopped.
//
// # Files
//
//	manifest.json                what made the rows; class names
//	shard-00000.arrow …          the rows: Arrow IPC files of about 16 MiB
//	shard-2-of-8-00000.arrow …   rows written by process 2 of 8
//	index.json                   the shards of the last finished run
//	lock, *.lock                 locks of writers
//	part-ID.arrow, part-ID.log   rows of a part; the hashes of its files, and its rejected photos
//	planned.json                 the IDs of the parts of the last plan
//	rejected*                    photos that can't be used, with the reasons
//	statcache*                   hashes of photo files by size, time and inode; may be deleted
//	checked*.json                the shards whose content was compared with their checksums; may be deleted
//
// A shard has the columns path, sha256 (of the photo, hex), class, split, label, view and embedding (a list of fixed
// size, flattened row-major; fx.feature_shape in the schema's metadata is its shape). The same rows give the same
// bytes.
//
// # Consistency
//
// A row is identified by path, photo hash and view, so only changed photos are computed again. A photo that was
// renamed or moved to another class is found by its hash, and its embedding is copied.
//
// Rows are planned in the order of the entries. RowsPerShard of them are a chunk, whether or not some are in the store
// already or turn out to be unusable. The missing rows of a chunk become one new file with the lowest free number. A
// run that is killed and started again therefore continues with the same chunks and ends in the same bytes.
//
// Finish then drops the rows of photos that are gone or changed, and corrects labels. It rewrites only the files that
// hold such rows. A file is never changed in place, so readers keep what they have mapped.
//
// Every shard has a seal: checksums of itself, in the metadata of its schema. Open and Verify compare every byte with
// it; ReadInfo compares all but the embeddings, which reads a few kilobytes of each file. OpenForWriting compares
// every byte of the files that are new or have changed since a writer compared them, and drops damaged ones, whose
// rows are computed again. The index shows which files are missing; it is removed before Finish touches a shard, and
// written afterwards. Manifest and index have checksums of themselves.
//
// # Hashes
//
// For a new store no photo is read twice: Load hashes a photo when it is read to be decoded. For a store with rows,
// Plan hashes the photos whose size, time or inode is not in the statcache; after a first run that was killed, only
// those of them that have a row. A second run over 10,000 photos therefore reads none of them.
//
// # Rejected photos
//
// Writer.Reject records a photo that can't be used, with its content. A later run finds it by the state of its file or
// by its hash, and rejects it for the same reason without reading it. A rejection without content is only listed.
// Finish leaves the photos that the run rejected.
//
// # Several processes
//
// With WriteOptions.Shard i/n, process i computes the photos whose paths it owns (Shard.Owns), and drops only stale
// rows of such paths, in any file. The processes share the lock, and each has a lock of its own. They take
// maintenance.lock briefly, to change the manifest, the index or each other's files. Readers, runs with another number
// of processes and the whole job see all rows.
//
// Parts need no lock. PlanParts finds the photos of which rows are missing from listings and the statcache alone; its
// caller divides them. A PartWriter computes one part and writes it at the end under a name that is the hash of what
// its rows depend on: the manifest, and the paths and file states of its photos. Twins therefore write the same file,
// and a killed process leaves none. Rows that are there twice count once. The next run of the whole job makes the
// parts' files shards, so an fx that does not know parts reads them then.
package store
