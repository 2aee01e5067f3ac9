// Package fetch downloads a file, verifies it, and checks at every later use that it has not changed.
//
// An interrupted download leaves NAME.part and continues from there, in this run or a later one, if the server still
// has the same file. The SHA-256 of a file is recorded at its first use, in an entry of the registry in fx's cache
// ([Record]); a file that differs from its entry is refused. Two processes that want the same file wait for each
// other.
//
// Every download ends, whatever the server does: the server must send 1 KB/s over each minute, the download fails
// after a few tries in a row that gain less than that, and no more bytes are read than the file is known or declared
// to have.
//
// A token goes to the host of the address only. No message and no file has the query of an address to which a server
// redirects: it may be a secret.
//
// Without a network the error is [ErrUnreachable], and its hint explains how to supply the file by hand.
package fetch
