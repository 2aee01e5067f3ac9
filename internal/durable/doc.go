// Package durable writes files and folders that are either complete or absent.
//
// All files that a later command reads are written with it: WriteFile writes a temporary file beside the target,
// fsyncs it, renames it over the target and fsyncs the directory, so that neither a kill nor a power cut leaves half a
// file. WriteDir does the same for a folder with one writer, Replace for related files in a folder that also holds
// other files.
//
// Nothing is written through a link: Open, OpenAppend and Lock refuse a link as the last component of a name,
// WriteFile and WriteDir replace it. A temporary file is locked while it is written, so that RemoveStale removes only
// those of ended processes.
package durable
