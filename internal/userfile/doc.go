// Package userfile reads untrusted files. It limits sizes before it allocates anything, never blocks on pipes and
// devices, and shortens what errors quote to one line.
//
// ReadJSON returns a JSON file's text, bounded and ready for json.Unmarshal.
package userfile
