// Package mongostore implements the storage port on MongoDB, with GridFS for
// videos and tracks.
//
// # Layout
//
//	users, sessions, invitations,
//	personal_tokens,
//	notification_settings,
//	deliveries, jobs                   records, changed by compare-and-set on {_id, rev}
//	tasks, limits, erasures, feeds,
//	idempotency_keys, bindings         likewise
//	counters                           numbers that only grow, each for one period
//	audit                              entries, never changed
//	format                             the version of all of this, see package format
//	owners                             totals of each owner's jobs, see owners.go
//	conversions                        records, replaced as a whole
//	uploads                            the state of each upload, likewise
//	videos.files, videos.chunks        GridFS bucket of the videos
//	tracks                             which GridFS file each track is, likewise
//	tracks.files, tracks.chunks        GridFS bucket of the tracks
//
// Everything relies only on the atomicity of single documents, so a standalone
// server, a replica set, a sharded cluster and the compatible services all
// work. There are no transactions, change streams, TTL indexes or partial
// indexes. All writes use write concern majority, and all reads go to the
// primary. What is read often is read by _id alone.
//
// Any GridFS client can read every complete video under its ID, and every track
// under its ID too, unless its Put was repeated: see Tracks.
//
// # Videos
//
// An upload is stored in GridFS chunks from the first byte. All of them are full,
// except for the last chunk of the file. The bytes of a chunk that is not full yet
// are the tail; it is kept in the record until the chunk is full. It is recorded
// at the end of an Append, and on a link so slow that no chunk fills up between
// two commits. A commit is one compare-and-set of the record: offset, tail and the
// state of the digest change together, after the chunks below the offset have been
// acknowledged. Complete stores the files document, which makes the video a GridFS
// file, and then the digest in the record, which makes it readable in this store.
//
// # The newest Append wins
//
// An Append starts with a compare-and-set on the record's rev, and each commit is
// another one: rev is the fencing token. So an older Append can no longer commit
// once a newer one has started. But its process may have been paused with chunks
// in flight, which can arrive at any later time, perhaps with the bytes of another
// file. They do no harm:
//
//   - A writer only inserts chunks and never overwrites one, and the index on
//     {files_id, n} is unique: the second insert for a place is rejected.
//   - Every chunk's _id is derived from (file, epoch, n). An Append writes in a new
//     epoch unless the previous one ended cleanly, with nothing in flight (the
//     record is not open). So two writers that may be running at the same time
//     never use the same _id.
//   - If a place that this Append has yet to write is occupied, its chunk is not
//     committed: nobody has committed it, and this Append is the only one that
//     still could, which it verifies by a compare-and-set. It deletes by _id what
//     its own and the earlier epochs may have stored there, and inserts again.
//     Such a delete may arrive late as well: places that a later epoch has filled
//     have other _ids.
//   - So once a commit has included a place, its chunk is final: the index rejects
//     all others, and no delete names it.
//   - The record contains the chunk at which each epoch started (epochs). The valid
//     chunk n is that of the newest epoch that started at or before n. So every
//     read and delete is one by _id.
//
// An Append that finds a newer one deletes the chunks that it stored but did not
// commit. One that crashed leaves at most the chunks of one commit, which its
// successor deletes when it reaches their places.
//
// # Tracks
//
// Each Put writes a GridFS file of its own, a version. Its _id is the track's ID
// for the first version, and "<id>/2" and so on for later ones; its metadata
// contains the track's ID. Its chunks are inserted as the track is produced, those
// that contain its head at the end. After its files document has been stored, it
// becomes visible, in place of the previous version, by a compare-and-set of the
// track's record. Then the previous version is deleted, even if it is being read.
//
// # Removal
//
// Remove first turns the record into a tombstone, so that no one reads or writes
// any more, and then deletes the files document and the chunks, whose _ids follow
// from the record. The tombstone is kept for an hour, in which the ID is not
// listed, because chunks of a paused or disconnected writer may still arrive.
// After that, List returns the ID again, as it does for the remains of a Remove
// that crashed; the deletion of orphans, which finds no job with that ID, removes
// it once more, and the tombstone with it. Abandoned uploads are always listed,
// and a track whose Put crashed, or lost the database, is listed after a minute.
package mongostore
