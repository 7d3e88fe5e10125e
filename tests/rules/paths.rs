//! The paths that a file writes, in `use` declarations and elsewhere, as they stand.

use crate::rust_code::{Source, is_part_of_name};

/// A path such as `super::child::Exit`; groups are opened, so each of their leaves is one.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) at: usize,
    pub(crate) names: Vec<String>,
    /// The name that a `use` binds.
    pub(crate) binds: Option<String>,
    /// The modules written out in the file around it.
    pub(crate) inside: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    Colons,
    Mark(char),
}

/// Names, numbers, `::` and single marks, each with its offset.
pub(crate) fn tokens(code: &str) -> Vec<(usize, Token<'_>)> {
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(c) = code[at..].chars().next() {
        let rest = &code[at..];
        let (token, length) = if is_part_of_name(c) {
            let length = rest.find(|c| !is_part_of_name(c)).unwrap_or(rest.len());
            (Token::Word(&rest[..length]), length)
        } else if rest.starts_with("::") {
            (Token::Colons, 2)
        } else {
            (Token::Mark(c), c.len_utf8())
        };
        if !c.is_whitespace() {
            list.push((at, token));
        }
        at += length;
    }
    list
}

/// All paths of more than one name, and all `use` declarations.
pub(crate) fn written(source: &Source) -> Vec<Written> {
    let mut reader = Reader {
        tokens: tokens(&source.code),
        next: 0,
        depth: 0,
        modules: Vec::new(),
        found: Vec::new(),
    };
    reader.read();
    reader.found
}

struct Reader<'a> {
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
    /// Open braces.
    depth: usize,
    /// The modules that are open, with the depth outside them.
    modules: Vec<(&'a str, usize)>,
    found: Vec<Written>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some((at, token)) = self.tokens.get(self.next).copied() {
            match token {
                Token::Word("use") => {
                    self.next += 1;
                    self.use_tree(&[]);
                    continue;
                }
                Token::Word("mod") => {
                    if let (Some(Token::Word(name)), Some(Token::Mark('{'))) =
                        (self.token(1), self.token(2))
                    {
                        self.modules.push((name, self.depth));
                    }
                }
                Token::Word(_) if self.begins_path() => {
                    self.path(at);
                    continue;
                }
                Token::Mark('{') => self.depth += 1,
                Token::Mark('}') => {
                    self.depth = self.depth.saturating_sub(1);
                    self.modules.retain(|(_, depth)| *depth < self.depth);
                }
                _ => {}
            }
            self.next += 1;
        }
    }

    /// The token `ahead` of the next one.
    fn token(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.next + ahead).map(|(_, token)| *token)
    }

    fn begins_path(&self) -> bool {
        let before: Vec<Token> = self.tokens[..self.next]
            .iter()
            .rev()
            .take(3)
            .map(|(_, token)| *token)
            .collect();
        // `$crate::..` is for the place where the macro is used, `pub(in ..)` imports nothing.
        let skipped = matches!(
            before.as_slice(),
            [Token::Colons | Token::Mark('$'), ..]
                | [Token::Word("in"), Token::Mark('('), Token::Word("pub")]
        );
        !skipped && self.token(1) == Some(Token::Colons)
    }

    fn path(&mut self, at: usize) {
        let mut names = Vec::new();
        while let Some(Token::Word(name)) = self.token(0) {
            names.push(name);
            self.next += 1;
            if self.token(0) != Some(Token::Colons) {
                break;
            }
            self.next += 1;
        }
        if names.len() > 1 {
            self.add(at, &names, None);
        }
    }

    /// One tree of a `use`, up to the comma, brace or semicolon after it.
    fn use_tree(&mut self, prefix: &[&'a str]) {
        let mut names = prefix.to_vec();
        while let Some((at, token)) = self.tokens.get(self.next).copied() {
            match token {
                Token::Colons => self.next += 1,
                Token::Word(name) if self.token(1) == Some(Token::Colons) => {
                    names.push(name);
                    self.next += 2;
                }
                Token::Word(name) => {
                    if name != "self" || names.is_empty() {
                        names.push(name);
                    }
                    self.next += 1;
                    let binds = self.alias().or(names.last().copied());
                    self.add(at, &names, binds);
                    return;
                }
                Token::Mark('{') => {
                    self.next += 1;
                    while !matches!(self.token(0), None | Some(Token::Mark('}'))) {
                        let start = self.next;
                        self.use_tree(&names);
                        if self.token(0) == Some(Token::Mark(',')) || self.next == start {
                            self.next += 1;
                        }
                    }
                    self.next += 1;
                    return;
                }
                Token::Mark('*') => {
                    names.push("*");
                    self.next += 1;
                    self.add(at, &names, None);
                    return;
                }
                Token::Mark(_) => return,
            }
        }
    }

    fn alias(&mut self) -> Option<&'a str> {
        let (Some(Token::Word("as")), Some(Token::Word(name))) = (self.token(0), self.token(1))
        else {
            return None;
        };
        self.next += 2;
        Some(name)
    }

    fn add(&mut self, at: usize, names: &[&str], binds: Option<&str>) {
        self.found.push(Written {
            at,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            binds: binds.filter(|name| *name != "_").map(str::to_owned),
            inside: self
                .modules
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        });
    }
}

#[test]
fn paths_are_read_as_they_stand() {
    let check = |code: &str, expected: &[&str]| {
        let found: Vec<String> = written(&Source::new("a.rs", code))
            .iter()
            .map(|path| {
                let binds = path.binds.as_ref().map(|name| format!(" = {name}"));
                let mut names = path.inside.clone();
                names.push(path.names.join("::"));
                names.join(": ") + &binds.unwrap_or_default()
            })
            .collect();
        assert_eq!(found, expected, "{code}");
    };
    check(
        "use crate::{a::{self, b as B, *}, d,\n e::f as _,};\npub(crate) use g;",
        &[
            "crate::a = a",
            "crate::a::b = B",
            "crate::a::*",
            "crate::d = d",
            "crate::e::f",
            "g = g",
        ],
    );
    check(
        "// use crate::h;\nlet x = crate::i::j(\"crate::k\")..super::l; \
         $crate::m; <a::B as c::D>::e::f",
        &["crate::i::j", "super::l", "a::B", "c::D"],
    );
    check(
        "pub(in crate::a) fn f() -> impl Sized + use<'a> { Vec::<u8>::new(); a::b::<u8>() }",
        &["a::b"],
    );
    check(
        "mod a { mod b { use super::c; } use super::d; } mod e; fn f() { use super::g; }",
        &["a: b: super::c = c", "a: super::d = d", "super::g = g"],
    );
}
