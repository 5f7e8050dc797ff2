// Package change says what differs between two plans, in the terms of a person
// who reviews the change: which sites are new, gone, renamed, moved or resized,
// which limits are other ones, and exactly which new connections each firewall
// lets in or out that it did not before, and the reverse. It writes that as
// text and as Markdown for a pull request; its JSON is stable.
//
// It is not for comparing files: targets are rendered from a plan, and two
// plans without a difference here may still render other files.
package change
