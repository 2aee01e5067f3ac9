// Package headspec describes a classifier's head: its kind, its shape and its parameters. Package head trains such
// heads, internal/modeldir stores them, and backbones says which one a network ends in.
package headspec
