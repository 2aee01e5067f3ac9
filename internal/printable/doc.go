// Package printable makes untrusted text safe to show on a terminal. A file name may hold escape sequences that move
// the cursor, retitle the window or colour what follows, and line ends that imitate another message.
//
// Name escapes a file name or path for use in a message.
//
// All of fx's output also goes through [Writer], which escapes what was missed.
package printable
