//! Circles in a graph of names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// From each name to those it leads to.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// A strongly connected component with more than one name.
#[derive(Debug, PartialEq)]
pub(crate) struct Knot {
    /// Its shortest circle; the first name is also the last.
    pub(crate) circle: Vec<String>,
    /// All its names.
    pub(crate) names: BTreeSet<String>,
}

impl Knot {
    pub(crate) fn spelled(&self) -> String {
        self.circle.join(" -> ")
    }
}

/// All knots, in the order of their first names.
pub(crate) fn knots(graph: &Graph) -> Vec<Knot> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph
        .keys()
        .map(|name| (name.as_str(), reachable(graph, name)))
        .collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut list = Vec::new();
    for (name, from_here) in &reached {
        if seen.contains(name) {
            continue;
        }
        let names: BTreeSet<&str> = from_here
            .iter()
            .copied()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(name)))
            .collect();
        seen.extend(&names);
        let circles = names.iter().filter_map(|name| shortest_circle(graph, name));
        if let Some(circle) = circles.min_by_key(Vec::len)
            && names.len() > 1
        {
            list.push(Knot {
                circle,
                names: names.into_iter().map(str::to_owned).collect(),
            });
        }
    }
    list
}

/// What a name leads to over any number of steps, itself only if it is in a circle.
fn reachable<'a>(graph: &'a Graph, name: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = graph[name].iter().map(String::as_str).collect();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(graph.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// The shortest way from a name back to it.
fn shortest_circle(graph: &Graph, name: &str) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([vec![name]]);
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| graph.get(*last))? {
            let mut longer = way.clone();
            longer.push(next);
            if next == name {
                return Some(longer.into_iter().map(str::to_owned).collect());
            }
            if seen.insert(next) {
                ways.push_back(longer);
            }
        }
    }
    None
}

#[test]
fn each_knot_has_one_shortest_circle() {
    let check = |edges: &[(&str, &str)], expected: &[(&str, usize)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*to).into()).or_default();
            graph
                .entry((*from).into())
                .or_default()
                .insert((*to).into());
        }
        let found: Vec<(String, usize)> = knots(&graph)
            .iter()
            .map(|knot| (knot.spelled(), knot.names.len()))
            .collect();
        let found: Vec<(&str, usize)> = found.iter().map(|(c, n)| (c.as_str(), *n)).collect();
        assert_eq!(found, expected, "{edges:?}");
    };
    check(&[("a", "b"), ("b", "c"), ("a", "c")], &[]);
    check(&[("a", "a")], &[]);
    check(
        &[
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "b"),
            ("x", "a"),
            ("y", "z"),
            ("z", "y"),
        ],
        &[("b -> c -> b", 3), ("y -> z -> y", 2)],
    );
    check(
        &[("a", "b"), ("b", "c"), ("c", "a")],
        &[("a -> b -> c -> a", 3)],
    );
}
