//! The tests, one binary: this file is their table of contents.

mod tidy;
