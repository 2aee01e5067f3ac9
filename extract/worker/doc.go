// Package worker embeds photos for other programs: rows in on one stream, one row back for each on another, in order.
// Engines such as Spark and Ray start one for each of their processes. The protocol is docs/worker.md.
package worker
