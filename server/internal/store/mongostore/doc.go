// Package mongostore is the storage port on MongoDB, with GridFS for the bytes.
//
// # Layout
//
//	users, sessions, invitations,
//	personal_tokens, notification_settings,
//	deliveries, jobs                   records, changed by compare-and-set on {_id, rev}
//	uploads                            how far each video is, likewise
//	videos.files, videos.chunks        GridFS bucket of the videos
//	tracks                             which GridFS file each track is, likewise
//	tracks.files, tracks.chunks        GridFS bucket of the tracks
//
// Nothing needs more than the atomicity of one document, so a standalone
// server, a replica set, a sharded cluster and the compatible services all
// serve. There are no transactions, change streams, TTL or partial indexes.
// Every write waits for the majority, every read asks the primary. What is read
// often is read by _id alone.
//
// Any GridFS client reads every finished video under its id, and every track
// under its id too, unless a Put of it was repeated: see Tracks.
//
// # Videos
//
// An upload's chunks are GridFS chunks from the first byte. All are full but the
// file's last one. What an Append leaves over at its end, or has from a link so
// slow that no chunk fills between two commits, is the tail, which is kept in
// the record in uploads until the chunk is full. A commit is one compare-and-set
// of that record: offset, tail and the state of the digest move together, after
// the chunks below the offset have been acknowledged. Complete stores the files
// document, with which the video is a GridFS file, and then the digest in the
// record, with which it can be opened here.
//
// # The newest Append wins
//
// An Append begins with a compare-and-set on the record's rev, and each commit
// is another. So an older one cannot commit any more once a newer one has begun.
// But its process may have been paused with chunks on their way, which arrive
// whenever they like, with bytes of another file perhaps. They do no harm:
//
//   - A writer only inserts chunks, it never overwrites one, and the index of
//     {files_id, n} is unique: who comes to a place second is refused.
//   - Every chunk's _id is derived from (file, epoch, n). An Append writes in a
//     new epoch unless the one before it said that it had ended cleanly, with
//     nothing on its way (the record is not open). So no two writers that may be
//     at work at the same time have a chunk _id in common.
//   - A place that is taken where this Append has yet to write holds a chunk that
//     does not count: nobody has committed it, and nobody who could still commit
//     is at work but this Append, which makes sure of that by a compare-and-set.
//     It deletes what its own and the earlier epochs may have there, by _id, and
//     inserts again. Such a delete may arrive late as well: places that a later
//     epoch has filled hold other _ids.
//   - So once a commit has counted a place, its chunk is the right one for good:
//     the index keeps everyone else out, and no delete names it.
//   - The record holds at which chunk each epoch began (epochs); the newest epoch
//     that began at or before n is the one whose chunk n counts. That makes every
//     read and delete one by _id.
//
// An Append that finds itself overtaken deletes what it stored in vain. One that
// died leaves up to the chunks of one commit and its successor puts them out of
// the way as it comes to them.
//
// # Tracks
//
// Each Put writes a GridFS file of its own, whose id is the track's for the first
// one and "<id>/2" and so on for the others, with the track's id in its
// metadata. It becomes visible, in place of what was there, by a compare-and-set
// of the track's record, after its files document is stored. The file that it
// replaced is deleted then, under those who are reading it.
//
// # Removal
//
// Remove marks the record first, so that nobody reads or writes any more, then
// deletes the files document and the chunks, whose _ids follow from the record.
// The record stays for an hour, in which the id is not listed, because chunks of
// a paused or cut off writer may arrive. After that List gives the id again, as
// it does for what a crash in Remove left behind; the sweep, which knows no job
// of that id, removes it a second time, and with it the record. Uploads that were
// given up are listed all the time, and a track whose Put died after a minute.
package mongostore
