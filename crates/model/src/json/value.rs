//! A comfortable view of one node of a tape together with its text.

use std::borrow::Cow;

use super::{Kind, Node, Tape, unescape};

/// A value inside a parsed text. Cheap to copy; borrows the tape and the text.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    nodes: &'a [Node],
    text: &'a str,
    index: u32,
}

impl Tape {
    /// The value at `index` of a tape that was made from `text`.
    #[inline]
    pub fn value<'a>(&'a self, text: &'a str, index: u32) -> Value<'a> {
        Value { nodes: &self.nodes, text, index }
    }
}

impl<'a> Value<'a> {
    #[inline]
    fn node(&self) -> &'a Node {
        &self.nodes[self.index as usize]
    }

    /// Where the value stands on the tape.
    #[inline]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// What the value is.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// The value exactly as written.
    #[inline]
    pub fn raw(&self) -> &'a str {
        let node = self.node();
        &self.text[node.start as usize..node.end as usize]
    }

    /// The member's name, unescaped; `None` for elements and the root.
    #[inline]
    pub fn key(&self) -> Option<Cow<'a, str>> {
        let node = self.node();
        if !node.has_key() {
            return None;
        }
        let written = &self.text[node.key_start as usize..(node.key_start + node.key_len) as usize];
        Some(if node.key_escaped() { unescape(written.as_bytes()) } else { Cow::Borrowed(written) })
    }

    /// The text of a string, unescaped; `None` for anything else.
    #[inline]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        let node = self.node();
        if node.kind != Kind::String {
            return None;
        }
        let inside = &self.text[node.start as usize + 1..node.end as usize - 1];
        Some(if node.text_escaped() { unescape(inside.as_bytes()) } else { Cow::Borrowed(inside) })
    }

    /// The number nearest to the literal; `None` for anything that is not a number.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        match self.kind() {
            Kind::Integer | Kind::Number => self.raw().parse().ok(),
            _ => None,
        }
    }

    /// The integer, if it is one and fits.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        if self.kind() == Kind::Integer { self.raw().parse().ok() } else { None }
    }

    /// `true` or `false`, if it is one.
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        if self.kind() == Kind::Boolean { Some(self.raw() == "true") } else { None }
    }

    /// The members or elements in order; nothing for scalars.
    #[inline]
    pub fn children(&self) -> Children<'a> {
        let end = if matches!(self.kind(), Kind::Object | Kind::Array) { self.node().next } else { 0 };
        Children { nodes: self.nodes, text: self.text, at: self.index + 1, end }
    }

    /// The member called `name`; the last one where the name is repeated, as most readers have it.
    #[inline]
    pub fn member(&self, name: &str) -> Option<Value<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        self.children().filter(|child| child.has_key(name)).last()
    }

    #[inline]
    fn has_key(&self, name: &str) -> bool {
        let node = self.node();
        if node.key_escaped() {
            return self.key().as_deref() == Some(name);
        }
        let start = node.key_start as usize;
        &self.text.as_bytes()[start..start + node.key_len as usize] == name.as_bytes()
    }
}

/// The members or elements of a container, in order.
#[derive(Clone)]
pub struct Children<'a> {
    nodes: &'a [Node],
    text: &'a str,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        if self.at >= self.end {
            return None;
        }
        let value = Value { nodes: self.nodes, text: self.text, index: self.at };
        self.at = value.node().next;
        Some(value)
    }
}
