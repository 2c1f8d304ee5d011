//! Expressions over other rules: `(A || B) && !C`, `A + B + C > 2`.

use crate::limits::{EXPRESSION_DEPTH_MAX, EXPRESSION_PARTS_MAX};

/// An expression over rules: by name as written, by place once the rules are known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression<R = String> {
    Number(f64),
    /// How often a rule hit.
    Rule(R),
    Not(Box<Expression<R>>),
    Minus(Box<Expression<R>>),
    Both(Box<Expression<R>>, Operator, Box<Expression<R>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Plus,
    Minus,
    Times,
    By,
}

impl Operator {
    /// From weakest to strongest.
    const fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal | Self::NotEqual => 3,
            Self::Less | Self::LessOrEqual | Self::More | Self::MoreOrEqual => 4,
            Self::Plus | Self::Minus => 5,
            Self::Times | Self::By => 6,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Not,
    Operator(Operator),
    Number(f64),
    Name(String),
}

impl Expression<String> {
    /// Reads an expression.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut reader = Reader { tokens, at: 0 };
        let expression = reader.weaker_than(0, 0)?;
        match reader.tokens.get(reader.at) {
            None => Ok(expression),
            Some(token) => Err(format!("{token:?} stands where nothing can follow")),
        }
    }

    /// The same with places for names; a name nobody bears never hits.
    pub(crate) fn placed(&self, place: &impl Fn(&str) -> Option<usize>) -> Expression<usize> {
        match self {
            Self::Number(number) => Expression::Number(*number),
            Self::Rule(name) => place(name).map_or(Expression::Number(0.0), Expression::Rule),
            Self::Not(inner) => Expression::Not(Box::new(inner.placed(place))),
            Self::Minus(inner) => Expression::Minus(Box::new(inner.placed(place))),
            Self::Both(left, operator, right) => Expression::Both(
                Box::new(left.placed(place)),
                *operator,
                Box::new(right.placed(place)),
            ),
        }
    }
}

impl<R> Expression<R> {
    /// The rules in it.
    pub(crate) fn rules<'e>(&'e self, found: &mut Vec<&'e R>) {
        match self {
            Self::Number(_) => {}
            Self::Rule(rule) => found.push(rule),
            Self::Not(inner) | Self::Minus(inner) => inner.rules(found),
            Self::Both(left, _, right) => {
                left.rules(found);
                right.rules(found);
            }
        }
    }

    /// Its value, as Perl computes it: `&&` and `||` give one of their sides, comparisons one or nothing.
    pub(crate) fn value(&self, hits: &impl Fn(&R) -> f64) -> f64 {
        let truth = |is_true: bool| f64::from(u8::from(is_true));
        match self {
            Self::Number(number) => *number,
            Self::Rule(name) => hits(name),
            Self::Not(inner) => truth(inner.value(hits) == 0.0),
            Self::Minus(inner) => -inner.value(hits),
            Self::Both(left, operator, right) => {
                let left = left.value(hits);
                match operator {
                    Operator::Or if left != 0.0 => return left,
                    Operator::And if left == 0.0 => return left,
                    _ => {}
                }
                let right = right.value(hits);
                match operator {
                    Operator::Or | Operator::And => right,
                    Operator::Equal => truth((left - right).abs() < f64::EPSILON),
                    Operator::NotEqual => truth((left - right).abs() >= f64::EPSILON),
                    Operator::Less => truth(left < right),
                    Operator::LessOrEqual => truth(left <= right),
                    Operator::More => truth(left > right),
                    Operator::MoreOrEqual => truth(left >= right),
                    Operator::Plus => left + right,
                    Operator::Minus => left - right,
                    Operator::Times => left * right,
                    Operator::By if right == 0.0 => 0.0,
                    Operator::By => left / right,
                }
            }
        }
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn weaker_than(&mut self, least: u8, depth: usize) -> Result<Expression, String> {
        let mut left = self.one(depth)?;
        while let Some(Token::Operator(operator)) = self.tokens.get(self.at).cloned() {
            if operator.strength() <= least {
                break;
            }
            self.at += 1;
            let right = self.weaker_than(operator.strength(), depth + 1)?;
            left = Expression::Both(Box::new(left), operator, Box::new(right));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > EXPRESSION_DEPTH_MAX {
            return Err(format!(
                "the expression nests deeper than {EXPRESSION_DEPTH_MAX}"
            ));
        }
        let token = self
            .tokens
            .get(self.at)
            .cloned()
            .ok_or("the expression ends too early")?;
        self.at += 1;
        Ok(match token {
            Token::Number(number) => Expression::Number(number),
            Token::Name(name) => Expression::Rule(name),
            Token::Not => Expression::Not(Box::new(self.one(depth + 1)?)),
            Token::Operator(Operator::Minus) => Expression::Minus(Box::new(self.one(depth + 1)?)),
            Token::Operator(Operator::Plus) => self.one(depth + 1)?,
            Token::Open => {
                let inner = self.weaker_than(0, depth + 1)?;
                if self.tokens.get(self.at) != Some(&Token::Close) {
                    return Err("a parenthesis is not closed".into());
                }
                self.at += 1;
                inner
            }
            token => {
                return Err(format!(
                    "{token:?} stands where a rule or number is expected"
                ));
            }
        })
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let word =
            |is_part: fn(char) -> bool| rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (token, length) = if c.is_ascii_alphabetic() || c == '_' {
            let length = word(|c| c.is_ascii_alphanumeric() || c == '_');
            (Token::Name(rest[..length].to_owned()), length)
        } else if c.is_ascii_digit() {
            let length = word(|c| c.is_ascii_digit() || c == '.');
            let number = rest[..length].parse();
            (
                Token::Number(number.map_err(|_| format!("{:?} is no number", &rest[..length]))?),
                length,
            )
        } else {
            let two = rest.get(..2).unwrap_or_default();
            match (two, c) {
                ("&&", _) => (Token::Operator(Operator::And), 2),
                ("||", _) => (Token::Operator(Operator::Or), 2),
                ("==", _) => (Token::Operator(Operator::Equal), 2),
                ("!=", _) => (Token::Operator(Operator::NotEqual), 2),
                ("<=", _) => (Token::Operator(Operator::LessOrEqual), 2),
                (">=", _) => (Token::Operator(Operator::MoreOrEqual), 2),
                (_, '<') => (Token::Operator(Operator::Less), 1),
                (_, '>') => (Token::Operator(Operator::More), 1),
                (_, '+') => (Token::Operator(Operator::Plus), 1),
                (_, '-') => (Token::Operator(Operator::Minus), 1),
                (_, '*') => (Token::Operator(Operator::Times), 1),
                (_, '/') => (Token::Operator(Operator::By), 1),
                (_, '!') => (Token::Not, 1),
                (_, '(') => (Token::Open, 1),
                (_, ')') => (Token::Close, 1),
                // One sign for both kinds of and, and of or: the values are counts.
                (_, '&') => (Token::Operator(Operator::And), 1),
                (_, '|') => (Token::Operator(Operator::Or), 1),
                _ => return Err(format!("{c:?} has no meaning in an expression")),
            }
        };
        if tokens.len() == EXPRESSION_PARTS_MAX {
            return Err(format!(
                "the expression has more than {EXPRESSION_PARTS_MAX} parts"
            ));
        }
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_the_value_perl_gives_them() {
        let hits = |name: &String| match name.as_str() {
            "A" => 1.0,
            "B" => 2.0,
            _ => 0.0,
        };
        for (text, value) in [
            ("A && B", 2.0),
            ("A || B", 1.0),
            ("C || B", 2.0),
            ("!C && A", 1.0),
            ("A + B + C > 2", 1.0),
            ("(A + B + C) > 3", 0.0),
            ("A && !B || C", 0.0),
            ("1 - 2 - 3", -4.0),
            ("2 + 3 * 4", 14.0),
            ("-A + 2", 1.0),
            ("B >= 2 == 1", 1.0),
            ("UNKNOWN", 0.0),
            ("(A&&(!C))", 1.0),
            ("B / C", 0.0),
        ] {
            let found = Expression::<String>::read(text).expect(text).value(&hits);
            assert!((found - value).abs() < f64::EPSILON, "{text}: {found}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "A &&",
            "(A",
            "A)",
            "A B",
            "$A",
            "1.2.3",
            &"(".repeat(1000),
            &"!".repeat(1000),
            &"A+".repeat(5000),
        ] {
            assert!(Expression::<String>::read(text).is_err(), "{text}");
        }
    }
}
