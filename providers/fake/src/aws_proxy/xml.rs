//! XML as AWS writes it: elements with either text or elements in them, no mixed content.
//!
//! Paths are names with `/` between, from below the element that is asked: `instancesSet/item`.
//! What must not be here: anything about one service.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};
use std::fmt::{self, Display, Formatter};

/// An element with all that is in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

impl Element {
    /// Makes an element with this text.
    pub(crate) fn with_text(name: &str, text: &str) -> Element {
        Element { name: name.to_owned(), text: text.to_owned(), ..Element::default() }
    }

    /// Makes an element with these in it.
    pub(crate) fn with(name: &str, children: Vec<Element>) -> Element {
        Element { name: name.to_owned(), children, ..Element::default() }
    }

    /// Reads a document; `None` when it is not one.
    pub(crate) fn parse(document: &[u8]) -> Option<Element> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let mut open = vec![Element::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(opened(&start)?),
                Event::Empty(start) => open.last_mut()?.children.push(opened(&start)?),
                Event::End(_) => {
                    let mut done = open.pop()?;
                    if !done.children.is_empty() {
                        // Layout between elements is not text.
                        done.text.clear();
                    }
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::CData(data) => open.last_mut()?.text.push_str(&data.decode().ok()?),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().ok()?.map(String::from);
                    let name = reference.decode().ok()?;
                    let named = || resolve_predefined_entity(&name).map(str::to_owned);
                    open.last_mut()?.text.push_str(&character.or_else(named)?);
                }
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            }
        }
        let root = open.pop().filter(|_| open.is_empty())?;
        root.children.into_iter().next()
    }

    /// Returns every element at a path; at "" itself.
    pub(crate) fn all(&self, path: &str) -> Vec<&Element> {
        let mut found = vec![self];
        for name in path.split('/').filter(|name| !name.is_empty()) {
            found = found
                .into_iter()
                .flat_map(|element| element.children.iter().filter(|child| child.name == name))
                .collect();
        }
        found
    }

    /// Returns the first element at a path.
    pub(crate) fn at(&self, path: &str) -> Option<&Element> {
        self.all(path).into_iter().next()
    }

    /// Returns the text of the first element at a path; "" when there is none.
    pub(crate) fn text_at(&self, path: &str) -> &str {
        self.at(path).map_or("", |element| element.text.as_str())
    }

    /// Returns the text of every element at a path.
    pub(crate) fn texts(&self, path: &str) -> Vec<&str> {
        self.all(path).into_iter().map(|element| element.text.as_str()).collect()
    }

    /// Changes every element at a path; at "" itself.
    pub(crate) fn each_mut(&mut self, path: &str, change: &mut dyn FnMut(&mut Element)) {
        if path.is_empty() {
            return change(self);
        }
        let (name, rest) = match path.split_once('/') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        for child in self.children.iter_mut().filter(|child| child.name == name) {
            match rest {
                Some(rest) => child.each_mut(rest, change),
                None => change(child),
            }
        }
    }

    /// Removes the elements at a path that are not to be kept.
    pub(crate) fn retain(&mut self, path: &str, keep: &mut dyn FnMut(&Element) -> bool) {
        match path.split_once('/') {
            Some((name, rest)) => {
                let inner = self.children.iter_mut().filter(|child| child.name == name);
                inner.for_each(|child| child.retain(rest, keep));
            }
            None => self.children.retain(|child| child.name != path || keep(child)),
        }
    }

    /// Sets the text of the element of this name in here; adds one where there is none.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        match self.children.iter_mut().find(|child| child.name == name) {
            Some(child) => child.text = text.to_owned(),
            None => self.children.push(Element::with_text(name, text)),
        }
    }

    /// Removes every element of this name that stands directly in here.
    pub(crate) fn remove(&mut self, name: &str) {
        self.children.retain(|child| child.name != name);
    }

    /// Writes a document.
    pub(crate) fn document(&self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{self}")
    }
}

fn opened(start: &BytesStart<'_>) -> Option<Element> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let mut element = Element { name: text(start.name().as_ref())?, ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let value = quick_xml::escape::unescape(std::str::from_utf8(&attribute.value).ok()?);
        element.attributes.push((text(attribute.key.as_ref())?, value.ok()?.into_owned()));
    }
    Some(element)
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"{}\"", escape(value))?;
        }
        write!(f, ">{}", escape(&self.text))?;
        for child in &self.children {
            write!(f, "{child}")?;
        }
        write!(f, "</{}>", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Element;

    const REPLY: &str = "<r xmlns=\"u&amp;v\">\n  <set><item><id>a</id></item> <item><id>b&lt;&#65;\
                         </id></item></set>\n  <empty/>\n</r>";

    fn reply() -> Element {
        Element::parse(REPLY.as_bytes()).expect("a document")
    }

    #[test]
    fn what_is_written_is_what_was_read_without_its_layout() {
        let expected = "<r xmlns=\"u&amp;v\"><set><item><id>a</id></item><item><id>b&lt;A</id>\
                        </item></set><empty></empty></r>";
        assert_eq!(reply().to_string(), expected);
        assert_eq!(Element::parse(reply().document().as_bytes()), Some(reply()));
    }

    #[test]
    fn a_path_finds_reads_and_removes() {
        let mut reply = reply();
        assert_eq!(reply.texts("set/item/id"), ["a", "b<A"]);
        assert_eq!(reply.text_at("set/item/none"), "");
        reply.retain("set/item", &mut |item| item.text_at("id") != "a");
        reply.each_mut("set/item", &mut |item| item.set("id", "c"));
        assert_eq!(reply.texts("set/item/id"), ["c"]);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert_eq!(Element::parse(b"{}"), None);
        assert_eq!(Element::parse(b"<a><b></a>"), None);
        assert_eq!(Element::parse(b"<a>"), None);
    }
}
