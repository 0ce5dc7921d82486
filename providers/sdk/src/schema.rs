//! What a kind or a native type has: its fields, their types and classes, and what a change does.
//!
//! The tables are constants, written once by whoever adds a kind. The compiler checks a blueprint
//! against them, `dsenv schema` prints them for editors, the differ reads from them whether a
//! change updates or replaces, and parity reads the class. Nothing here is decided at run time.

pub use crate::formats::{Format, parse_duration_s, parse_size};
use crate::term::Term;
use crate::value::Value;

/// How two environments of one blueprint may differ in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Byte-equal in every environment: packages, engine versions, ports, encryption.
    Fixed,
    /// Bounded by `vary`: counts, sizes, retention, purchase options.
    Scale,
    /// Bound in each environment: regions, address ranges, names.
    Bind,
    /// Ordered; prod may be stricter than dev, never laxer: protection, budgets, exposure.
    Policy,
}

/// What a change of a field does to an object that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// The provider changes the object in place.
    Update,
    /// The object is created anew.
    Replace,
    /// A greater number, or one where there was none, is a change in place; with a smaller one the object
    /// is created anew. For disks, which grow and never shrink.
    Grow,
    /// None: it was decided when the object was made, and stays. For names that follow from the
    /// address, so that a resource that is renamed keeps its object.
    Keep,
}

/// What a value of a field must be.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Anything at all.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number, bounds included.
    Int {
        /// The least that is accepted.
        min: i64,
        /// The most that is accepted.
        max: i64,
    },
    /// A text, not empty.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A text of a certain form.
    Format(Format),
    /// A list of one type.
    List(&'static Type),
    /// A map with free keys and values of one type.
    Map(&'static Type),
    /// A map with these keys.
    Object(&'static [Field]),
    /// The first of these that fits.
    Either(&'static [Type]),
}

/// Whether a field must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be there.
    Required,
    /// It may be absent, and then it is absent.
    Optional,
    /// It may be absent, and then it is this JSON text.
    Default(&'static str),
}

/// One argument of a kind or of a native type.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, as in the blueprint.
    pub name: &'static str,
    /// What it holds.
    pub ty: Type,
    /// What it is for, in a sentence; shown by editors.
    pub doc: &'static str,
    /// Whether it must be there.
    pub presence: Presence,
    /// How environments may differ in it.
    pub class: Class,
    /// What a change of it does. Read for native types only.
    pub on_change: OnChange,
    /// Whether `${self.…}` may stand in it, settled by the machine itself when it starts.
    pub takes_self: bool,
    /// Whether the cloud changes it by itself, so that a difference is not drift.
    pub cloud_owned: bool,
    /// Whether the order of its list means nothing: clouds give sets in any order.
    pub unordered: bool,
    /// Whether the keys of its map are the same in every environment, whatever its class says of what
    /// they hold: which variables there are is FIXED, and what stands in them is bound.
    pub keys_fixed: bool,
    /// The neutral field that it is lowered from, where that has another name.
    pub of: Option<&'static str>,
    /// The attribute that says which of the offers in this list was taken: while the list still has
    /// that one, nothing differs. What runs and still satisfies is never changed by a price or by its
    /// place in a list.
    pub taken: Option<&'static str>,
}

impl Field {
    /// An optional field of class FIXED that updates in place.
    pub const fn new(name: &'static str, ty: Type, doc: &'static str) -> Field {
        Field {
            name,
            ty,
            doc,
            presence: Presence::Optional,
            class: Class::Fixed,
            on_change: OnChange::Update,
            takes_self: false,
            cloud_owned: false,
            unordered: false,
            keys_fixed: false,
            of: None,
            taken: None,
        }
    }

    /// The same field, compulsory.
    pub const fn required(mut self) -> Field {
        self.presence = Presence::Required;
        self
    }

    /// The same field with a default, written as JSON.
    pub const fn or(mut self, json: &'static str) -> Field {
        self.presence = Presence::Default(json);
        self
    }

    /// The same field in another class.
    pub const fn class(mut self, class: Class) -> Field {
        self.class = class;
        self
    }

    /// The same field; a change of it creates the object anew.
    pub const fn replaces(mut self) -> Field {
        self.on_change = OnChange::Replace;
        self
    }

    /// The same field, a number: more of it is a change in place, less creates the object anew.
    pub const fn grows(mut self) -> Field {
        self.on_change = OnChange::Grow;
        self
    }

    /// The same field; an object keeps the one that it was made with.
    pub const fn kept(mut self) -> Field {
        self.on_change = OnChange::Keep;
        self
    }

    /// The same field; `${self.…}` may stand in it.
    pub const fn takes_self(mut self) -> Field {
        self.takes_self = true;
        self
    }

    /// The same field; the cloud may change it by itself.
    pub const fn cloud_owned(mut self) -> Field {
        self.cloud_owned = true;
        self
    }

    /// The same field; the order of its list means nothing.
    pub const fn unordered(mut self) -> Field {
        self.unordered = true;
        self
    }

    /// The same field, a map whose keys are the same in every environment.
    pub const fn fixed_keys(mut self) -> Field {
        self.keys_fixed = true;
        self
    }

    /// Says whether an object that has one value of this field must be created anew to have another
    /// one, which is unknown where it is `None`. What is unknown is taken for more.
    pub fn replaces_from(&self, there: Option<&Value>, asked: Option<&Value>) -> bool {
        match self.on_change {
            OnChange::Replace => true,
            OnChange::Update | OnChange::Keep => false,
            OnChange::Grow => {
                match (there.and_then(Value::as_int), asked.and_then(Value::as_int)) {
                    (Some(there), Some(asked)) => asked < there,
                    _ => false,
                }
            }
        }
    }

    /// Says whether two values of this field mean the same.
    pub fn agrees(&self, one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::List(one), Value::List(other)) if self.unordered => {
                one.len() == other.len()
                    && one.iter().all(|item| {
                        let count = |items: &[Value]| items.iter().filter(|it| *it == item).count();
                        count(one) == count(other)
                    })
            }
            _ => one == other,
        }
    }

    /// The same field of a native type, lowered from a neutral field of another name: who names that
    /// in `lifecycle.ignore` means this one.
    pub const fn of(mut self, neutral: &'static str) -> Field {
        self.of = Some(neutral);
        self
    }

    /// The same field, a list of offers in order of preference; the attribute says which was taken.
    pub const fn taken(mut self, attribute: &'static str) -> Field {
        self.taken = Some(attribute);
        self
    }

    /// Says whether this is what a name in a blueprint means.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.of == Some(name)
    }
}

/// Something that is known after apply.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// Whether it is a secret.
    pub secret: bool,
    /// Whether an update in place leaves it as it is; if not, it is open again in a plan.
    pub stable: bool,
    /// The argument that it is the same as, for types that live in the state alone: so it is known in a
    /// plan as far as the argument is.
    pub of: Option<&'static str>,
}

impl Attribute {
    /// An attribute that lasts as long as the object.
    pub const fn new(name: &'static str, doc: &'static str) -> Attribute {
        Attribute { name, doc, secret: false, stable: true, of: None }
    }

    /// The same attribute, which is the same as an argument.
    pub const fn of(mut self, argument: &'static str) -> Attribute {
        self.of = Some(argument);
        self.stable = false;
        self
    }

    /// The same attribute, secret.
    pub const fn secret(mut self) -> Attribute {
        self.secret = true;
        self
    }

    /// The same attribute; an update may change it.
    pub const fn changes(mut self) -> Attribute {
        self.stable = false;
        self
    }
}

/// What `uses` gives of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// What stands behind the resource's name: `URL` gives `FEATURES_URL`. The grant's attribute
    /// of the same name in lower case holds the value.
    pub suffix: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
}

/// A neutral kind: what people write.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name in a blueprint.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// Its arguments.
    pub fields: &'static [Field],
    /// What other resources may refer to once it exists.
    pub attributes: &'static [Attribute],
    /// What `uses` gives of it; empty when it cannot be used.
    pub connection: &'static [Variable],
    /// Whether `uses` may stand on it.
    pub takes_uses: bool,
    /// Whether deleting it loses data, so that `on_destroy` is `refuse` unless said otherwise.
    pub holds_data: bool,
}

/// In which order an object is replaced unless the blueprint says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceOrder {
    /// The new one first: nothing is without it in between. Needs names that may coexist.
    CreateFirst,
    /// The old one first: the name, address or folder exists once only.
    DeleteFirst,
}

/// What a cloud has: one object that the provider creates and deletes.
#[derive(Clone, Copy, Debug)]
pub struct NativeType {
    /// Its name, the provider's in front: `local.postgres`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// Its arguments.
    pub fields: &'static [Field],
    /// What is known once it exists.
    pub attributes: &'static [Attribute],
    /// How it is replaced unless the blueprint says otherwise.
    pub replace: ReplaceOrder,
    /// Whether it exists in the state alone, so that there is nothing to find after a crash and
    /// nothing left after a delete.
    pub state_only: bool,
    /// Whether deleting it loses data.
    pub holds_data: bool,
}

impl Kind {
    /// Finds an argument.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Finds an attribute.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl NativeType {
    /// Says whether it is nothing but its arguments, under other names: it lives in the state alone,
    /// and stands for a group of nodes that others refer to as one.
    pub fn mirrors(&self) -> bool {
        self.state_only && self.attributes.iter().all(|attribute| attribute.of.is_some())
    }

    /// Finds an argument.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Finds an attribute.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// One place where a value is not what its type says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The way to it from the field: keys of maps and positions of lists.
    pub path: Vec<String>,
    /// Which rule it breaks.
    pub rule: Rule,
    /// What is wrong and what is valid, lower-case, no full stop.
    pub message: String,
    /// The names that would have been right, for a suggestion.
    pub candidates: Vec<&'static str>,
}

/// Which rule a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It has another shape, or a text of another form.
    Type,
    /// It is outside the bounds.
    Bounds,
    /// It is none of the choices.
    Choice,
    /// It is a name that the object does not have.
    Unknown,
    /// It is absent and must be there.
    Missing,
}

impl Type {
    /// Says in words what is valid: "a whole number from 0 to 8".
    pub fn expected(&self) -> String {
        match self {
            Type::Any => "anything".to_owned(),
            Type::Bool => "`true` or `false`".to_owned(),
            Type::Int { min, max } if *max == i64::MAX => format!("a whole number from {min}"),
            Type::Int { min, max } => format!("a whole number from {min} to {max}"),
            Type::Text => "a text".to_owned(),
            Type::Choice(choices) => one_of(choices.iter().map(|choice| format!("`{choice}`"))),
            Type::Format(format) => format.expected().to_owned(),
            Type::List(item) => format!("a list of {}", item.expected_many()),
            Type::Map(item) => format!("a map of {}", item.expected_many()),
            Type::Object(fields) => {
                let names: Vec<_> = fields.iter().map(|f| format!("`{}`", f.name)).collect();
                format!("a map with {}", names.join(", "))
            }
            Type::Either(types) => one_of(types.iter().map(Type::expected)),
        }
    }

    fn expected_many(&self) -> String {
        match self {
            Type::Text => "texts".to_owned(),
            other => format!("values, each {}", other.expected()),
        }
    }

    /// Checks what is known of a term; holes are taken on trust and checked when they are
    /// settled. Returns every mismatch.
    pub fn check(&self, term: &Term) -> Vec<Mismatch> {
        let mut found = Vec::new();
        check_into(self, term, &mut Vec::new(), &mut found);
        found
    }
}

fn one_of(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}

fn check_into(ty: &Type, term: &Term, path: &mut Vec<String>, found: &mut Vec<Mismatch>) {
    match (ty, term) {
        (Type::Any, _) | (_, Term::Ref(_) | Term::Expr(_) | Term::NotLocked(_)) => {}
        (Type::List(item), Term::List(items)) => {
            for (at, term) in items.iter().enumerate() {
                within(path, at.to_string(), |path| check_into(item, term, path, found));
            }
        }
        (Type::List(item), Term::Known(Value::List(items))) => {
            for (at, value) in items.iter().enumerate() {
                let term = Term::Known(value.clone());
                within(path, at.to_string(), |path| check_into(item, &term, path, found));
            }
        }
        (Type::Map(item), Term::Map(entries)) => {
            for (key, term) in entries {
                within(path, key.clone(), |path| check_into(item, term, path, found));
            }
        }
        (Type::Map(item), Term::Known(Value::Map(entries))) => {
            for (key, value) in entries {
                let term = Term::Known(value.clone());
                within(path, key.clone(), |path| check_into(item, &term, path, found));
            }
        }
        (Type::Object(fields), Term::Map(_) | Term::Known(Value::Map(_))) => {
            check_object(fields, term, path, found);
        }
        (Type::Either(types), _) => check_either(types, term, path, found),
        (_, Term::Known(value)) => {
            if let Err((rule, message)) = check_scalar(ty, value) {
                let candidates = match ty {
                    Type::Choice(choices) => choices.to_vec(),
                    _ => Vec::new(),
                };
                found.push(Mismatch { path: path.clone(), rule, message, candidates });
            }
        }
        (_, Term::List(_)) => push_shape(ty, "a list", path, found),
        (_, Term::Map(_)) => push_shape(ty, "a map", path, found),
    }
}

fn within(path: &mut Vec<String>, step: String, run: impl FnOnce(&mut Vec<String>)) {
    path.push(step);
    run(path);
    path.pop();
}

fn push_shape(ty: &Type, shape: &str, path: &[String], found: &mut Vec<Mismatch>) {
    let message = format!("expected {}, found {shape}", ty.expected());
    found.push(Mismatch { path: path.to_vec(), rule: Rule::Type, message, candidates: Vec::new() });
}

/// Checks the keys of a map against fields: unknown, missing, and each value.
fn check_object(
    fields: &'static [Field],
    term: &Term,
    path: &mut Vec<String>,
    found: &mut Vec<Mismatch>,
) {
    let keys: Vec<String> = match term {
        Term::Map(entries) => entries.keys().cloned().collect(),
        Term::Known(Value::Map(entries)) => entries.keys().cloned().collect(),
        _ => unreachable!("the caller matched a map"),
    };
    for key in &keys {
        let Some(field) = fields.iter().find(|field| field.name == key) else {
            let mut path = path.clone();
            path.push(key.clone());
            let candidates: Vec<_> = fields.iter().map(|field| field.name).collect();
            let message = format!("there is no field `{key}` here");
            found.push(Mismatch { path, rule: Rule::Unknown, message, candidates });
            continue;
        };
        let term = term.step(key).expect("the key was just listed");
        within(path, key.clone(), |path| check_into(&field.ty, &term, path, found));
    }
    for field in fields {
        if field.presence == Presence::Required && !keys.iter().any(|key| key == field.name) {
            found.push(Mismatch {
                path: path.clone(),
                rule: Rule::Missing,
                message: format!("`{}` is missing: {}", field.name, field.doc),
                candidates: Vec::new(),
            });
        }
    }
}

/// The first alternative that fits wins; when none does, the one with the same shape explains.
fn check_either(
    types: &'static [Type],
    term: &Term,
    path: &mut Vec<String>,
    found: &mut Vec<Mismatch>,
) {
    let mut closest: Option<Vec<Mismatch>> = None;
    for ty in types {
        let mut tried = Vec::new();
        check_into(ty, term, path, &mut tried);
        if tried.is_empty() {
            return;
        }
        let same_shape = tried.iter().any(|m| m.rule != Rule::Type || m.path.len() > path.len());
        if same_shape && closest.is_none() {
            closest = Some(tried);
        }
    }
    match closest {
        Some(tried) => found.extend(tried),
        None => {
            let shape = match term {
                Term::Known(value) => describe(value),
                Term::List(_) => "a list".to_owned(),
                _ => "a map".to_owned(),
            };
            push_shape(&Type::Either(types), &shape, path, found);
        }
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::List(_) | Value::Map(_) | Value::Secret(_) => value.shape().to_owned(),
        Value::Text(text) if text.is_empty() => "an empty text".to_owned(),
        scalar => {
            let mut text = scalar.to_string();
            if text.len() > 60 {
                text = text.chars().take(57).collect::<String>() + "...";
            }
            format!("`{}`", text.trim_matches('"'))
        }
    }
}

fn check_scalar(ty: &Type, value: &Value) -> Result<(), (Rule, String)> {
    let wrong =
        |rule| Err((rule, format!("expected {}, found {}", ty.expected(), describe(value))));
    match (ty, value) {
        (Type::Bool, Value::Bool(_)) => Ok(()),
        (Type::Int { min, max }, Value::Int(number)) => {
            if min <= number && number <= max {
                Ok(())
            } else {
                wrong(Rule::Bounds)
            }
        }
        (Type::Text, Value::Text(text)) => {
            if text.is_empty() {
                wrong(Rule::Type)
            } else {
                Ok(())
            }
        }
        (Type::Text, Value::Secret(_)) => Ok(()),
        (Type::Choice(choices), Value::Text(text)) => {
            if choices.contains(&text.as_str()) {
                Ok(())
            } else {
                wrong(Rule::Choice)
            }
        }
        (Type::Format(Format::CountNeed), Value::Int(number)) if *number >= 0 => Ok(()),
        (Type::Format(format), Value::Text(text)) => {
            if format.accepts(text) {
                Ok(())
            } else {
                wrong(Rule::Type)
            }
        }
        _ => wrong(Rule::Type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: Type = Type::Int { min: 0, max: 8 };
    const OBJECT: Type = Type::Object(&[
        Field::new("min", COUNT, "The floor.").required(),
        Field::new("max", COUNT, "The ceiling."),
    ]);
    const EITHER: Type = Type::Either(&[COUNT, OBJECT]);

    fn messages(ty: &Type, value: Value) -> Vec<String> {
        ty.check(&Term::Known(value)).into_iter().map(|m| m.message).collect()
    }

    #[test]
    fn a_mismatch_says_what_is_valid_and_what_was_found() {
        assert_eq!(
            messages(&COUNT, Value::Int(9)),
            ["expected a whole number from 0 to 8, found `9`"]
        );
        assert_eq!(
            messages(&Type::Text, Value::text("")),
            ["expected a text, found an empty text"]
        );
        assert_eq!(
            messages(&EITHER, Value::text("many")),
            ["expected a whole number from 0 to 8 or a map with `min`, `max`, found `many`"]
        );
    }

    #[test]
    fn the_alternative_of_the_same_shape_explains() {
        let map = Value::Map([("mx".to_owned(), Value::Int(1))].into());
        assert_eq!(
            messages(&EITHER, map),
            ["there is no field `mx` here", "`min` is missing: The floor."]
        );
    }

    #[test]
    fn a_disk_grows_in_place_and_is_made_anew_to_shrink() {
        let disk = Field::new("gib", Type::Int { min: 1, max: 99 }, "How big.").grows();
        let replaces = |there: i64, asked: i64| {
            disk.replaces_from(Some(&Value::Int(there)), Some(&Value::Int(asked)))
        };
        assert!(!replaces(10, 20) && !replaces(10, 10) && replaces(20, 10));
        assert!(!disk.replaces_from(None, Some(&Value::Int(1))));
    }
}
