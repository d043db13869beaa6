//! What needs what: an order in which everything comes after what it needs, and circles, which have none.
//!
//! Nodes are numbers; `needs[n]` are the nodes that `n` needs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// All nodes, each after those that it needs, and otherwise by `rank`, then by number. Nodes of a circle, and those
/// that need them, are left out.
pub(crate) fn order<K: Ord>(needs: &[Vec<usize>], rank: impl Fn(usize) -> K) -> Vec<usize> {
    let mut wanted: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    let mut open: Vec<usize> = vec![0; needs.len()];
    for (node, needed) in needs.iter().enumerate() {
        for other in needed {
            wanted[*other].push(node);
        }
        open[node] = needed.len();
    }
    let entry = |node: usize| Reverse((rank(node), node));
    let mut ready: BinaryHeap<_> = (0..needs.len()).filter(|node| open[*node] == 0).map(entry).collect();
    let mut ordered = Vec::with_capacity(needs.len());
    while let Some(Reverse((_, node))) = ready.pop() {
        ordered.push(node);
        for other in &wanted[node] {
            open[*other] -= 1;
            if open[*other] == 0 {
                ready.push(entry(*other));
            }
        }
    }
    ordered
}

/// A circle of every knot of circles, beginning with its smallest node; each needs the next, the last the first.
pub(crate) fn circles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath(usize),
        Done,
    }
    let mut marks = vec![Mark::New; needs.len()];
    let mut found = Vec::new();
    for start in 0..needs.len() {
        // The path from `start`, each node with how many of its needs were followed.
        let mut path: Vec<(usize, usize)> = Vec::new();
        // Nodes of the path up to here are part of a circle that was found already.
        let mut told = 0;
        if marks[start] == Mark::New {
            marks[start] = Mark::OnPath(0);
            path.push((start, 0));
        }
        while let Some((node, followed)) = path.last_mut() {
            let Some(next) = needs[*node].get(*followed).copied() else {
                marks[*node] = Mark::Done;
                path.pop();
                told = told.min(path.len());
                continue;
            };
            *followed += 1;
            match marks[next] {
                Mark::New => {
                    marks[next] = Mark::OnPath(path.len());
                    path.push((next, 0));
                }
                Mark::OnPath(at) if at >= told => {
                    found.push(from_smallest(path[at..].iter().map(|(node, _)| *node).collect()));
                    told = path.len();
                }
                Mark::OnPath(_) | Mark::Done => {}
            }
        }
    }
    found
}

fn from_smallest(mut circle: Vec<usize>) -> Vec<usize> {
    let smallest = circle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(at, _)| at);
    circle.rotate_left(smallest);
    circle
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_given_order_is_kept_where_needs_allow_it() {
        assert_eq!(order(&[vec![], vec![], vec![]], |_| 0), [0, 1, 2]);
        assert_eq!(order(&[vec![2], vec![], vec![]], |_| 0), [1, 2, 0]);
        assert_eq!(order(&[vec![], vec![], vec![]], |node| 2 - node), [2, 1, 0]);
        assert_eq!(order(&[vec![0], vec![], vec![0]], |_| 0), [1]);
    }

    #[test]
    fn each_knot_of_circles_is_found_once() {
        assert_eq!(circles(&[vec![0]]), [[0]]);
        assert_eq!(circles(&[vec![1], vec![2], vec![0], vec![]]), [[0, 1, 2]]);
        assert_eq!(circles(&[vec![1], vec![0], vec![3], vec![2]]), [[0, 1], [2, 3]]);
        assert_eq!(circles(&[vec![1, 1], vec![]]), [[0; 0]; 0]);
        assert_eq!(circles(&[vec![2], vec![], vec![1, 3], vec![2]]), [[2, 3]]);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_needs_no_deep_stack() {
        let chain: Vec<Vec<usize>> =
            (0..100_000).map(|node| if node == 0 { vec![] } else { vec![node - 1] }).collect();
        assert!(circles(&chain).is_empty());
        assert_eq!(order(&chain, |_| 0).len(), chain.len());
    }

    proptest! {
        #[test]
        fn either_all_nodes_have_an_order_or_there_is_a_circle(
            needs in proptest::collection::vec(proptest::collection::vec(0usize..12, 0..3), 12)
        ) {
            let ordered = order(&needs, |_| 0);
            for (at, node) in ordered.iter().enumerate() {
                prop_assert!(needs[*node].iter().all(|other| ordered[..at].contains(other)));
            }
            let circles = circles(&needs);
            prop_assert_eq!(ordered.len() == needs.len(), circles.is_empty());
            for circle in circles {
                for (at, node) in circle.iter().enumerate() {
                    prop_assert!(needs[*node].contains(&circle[(at + 1) % circle.len()]));
                }
            }
        }
    }
}
