//! The one error type: SQLSTATE, message, detail, hint, position.
//!
//! Foreign errors are classified once, in the `From` impls here. `XX000` means a bug of ours.
//! Messages follow PostgreSQL's style guide: lowercase, factual, no full stop; detail and hint are
//! sentences; identifiers in double quotes.

mod datafusion;

use std::fmt;

use ::datafusion::error::DataFusionError;
use arrow::error::ArrowError;

pub use datafusion::ANY_SCHEMA;

/// Result of anything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! sql_states {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The SQLSTATE codes in use, named after PostgreSQL's condition names (its Appendix A).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum SqlState { $($(#[$doc])* #[doc = concat!("`", $code, "`")] $name,)* }

        impl SqlState {
            /// The five characters.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(SqlState::$name => $code,)* }
            }

            /// The state with this code, if it is one of ours.
            #[must_use]
            pub fn from_code(code: &str) -> Option<SqlState> {
                match code { $($code => Some(SqlState::$name),)* _ => None }
            }
        }
    };
}

sql_states! {
    SuccessfulCompletion = "00000",
    Warning = "01000",
    FeatureNotSupported = "0A000",
    ProtocolViolation = "08P01",
    ConnectionFailure = "08006",
    CardinalityViolation = "21000",
    DataException = "22000",
    StringDataRightTruncation = "22001",
    NumericValueOutOfRange = "22003",
    NullValueNotAllowed = "22004",
    InvalidDatetimeFormat = "22007",
    DatetimeFieldOverflow = "22008",
    DivisionByZero = "22012",
    SequenceLimit = "2200H",
    IntervalFieldOverflow = "22015",
    InvalidEscapeSequence = "22025",
    CharacterNotInRepertoire = "22021",
    InvalidParameterValue = "22023",
    InvalidUseOfEscapeCharacter = "2200C",
    SubstringError = "22011",
    ArraySubscriptError = "2202E",
    InvalidPrecedingOrFollowingSize = "22013",
    InvalidArgumentForNtile = "22014",
    InvalidArgumentForNthValue = "22016",
    InvalidArgumentForWidthBucket = "2201G",
    InvalidRegularExpression = "2201B",
    InvalidLimit = "2201W",
    InvalidOffset = "2201X",
    InvalidArgumentForLogarithm = "2201E",
    InvalidArgumentForPower = "2201F",
    InvalidTextRepresentation = "22P02",
    InvalidBinaryRepresentation = "22P03",
    BadCopyFileFormat = "22P04",
    UntranslatableCharacter = "22P05",
    NotNullViolation = "23502",
    ForeignKeyViolation = "23503",
    UniqueViolation = "23505",
    CheckViolation = "23514",
    InvalidCursorState = "24000",
    InvalidCursorName = "34000",
    ActiveSqlTransaction = "25001",
    ReadOnlySqlTransaction = "25006",
    NoActiveSqlTransaction = "25P01",
    InFailedSqlTransaction = "25P02",
    InvalidSqlStatementName = "26000",
    InvalidPassword = "28P01",
    InvalidAuthorization = "28000",
    DependentObjectsStillExist = "2BP01",
    InvalidSavepoint = "3B001",
    InvalidCatalogName = "3D000",
    InvalidSchemaName = "3F000",
    SerializationFailure = "40001",
    SyntaxError = "42601",
    InsufficientPrivilege = "42501",
    InvalidName = "42602",
    GroupingError = "42803",
    WindowingError = "42P20",
    DatatypeMismatch = "42804",
    WrongObjectType = "42809",
    CannotCoerce = "42846",
    UndefinedFunction = "42883",
    ReservedName = "42939",
    AmbiguousColumn = "42702",
    UndefinedColumn = "42703",
    UndefinedObject = "42704",
    DuplicateObject = "42710",
    AmbiguousFunction = "42725",
    DuplicateColumn = "42701",
    DuplicateAlias = "42712",
    GeneratedAlways = "428C9",
    DuplicateCursor = "42P03",
    UndefinedTable = "42P01",
    UndefinedParameter = "42P02",
    DuplicatePreparedStatement = "42P05",
    DuplicateSchema = "42P06",
    DuplicateTable = "42P07",
    InvalidColumnReference = "42P10",
    IndeterminateDatatype = "42P18",
    InvalidObjectDefinition = "42P17",
    InvalidTableDefinition = "42P16",
    WithCheckOptionViolation = "44000",
    DiskFull = "53100",
    OutOfMemory = "53200",
    TooManyConnections = "53300",
    ConfigurationLimitExceeded = "53400",
    ProgramLimitExceeded = "54000",
    StatementTooComplex = "54001",
    ObjectNotInPrerequisiteState = "55000",
    ObjectInUse = "55006",
    CantChangeRuntimeParam = "55P02",
    LockNotAvailable = "55P03",
    QueryCanceled = "57014",
    AdminShutdown = "57P01",
    CannotConnectNow = "57P03",
    IoError = "58030",
    UndefinedFile = "58P01",
    DuplicateFile = "58P02",
    ConfigFileError = "F0000",
    InternalError = "XX000",
    DataCorrupted = "XX001",
}

/// What went wrong, as a client sees it.
#[derive(Clone, Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    position: Option<usize>,
    subject: Option<Subject>,
}

/// What an error is about, for clients that look it up instead of reading the message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subject {
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column, if it is about one.
    pub column: Option<String>,
    /// The constraint, if it is about one.
    pub constraint: Option<String>,
}

impl Error {
    /// An error with `state` and a primary message.
    pub fn new(state: SqlState, message: impl Into<String>) -> Error {
        let inner = Inner {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            position: None,
            subject: None,
        };
        Error { inner: Box::new(inner) }
    }

    /// A bug of ours (`XX000`); never for a user's mistake.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(SqlState::InternalError, message)
    }

    /// Something we do not do (`0A000`): names the feature; add the nearest thing that works as hint.
    pub fn unsupported(feature: impl fmt::Display) -> Error {
        Error::new(SqlState::FeatureNotSupported, format!("{feature} is not supported"))
    }

    /// `42P01` for a relation.
    pub fn undefined_table(name: &str) -> Error {
        Error::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"))
    }

    /// `42703` for a column.
    pub fn undefined_column(name: &str) -> Error {
        Error::new(SqlState::UndefinedColumn, format!("column \"{name}\" does not exist"))
    }

    /// `42601`.
    pub fn syntax(message: impl Into<String>) -> Error {
        Error::new(SqlState::SyntaxError, message)
    }

    /// `22023`: an option or setting has a value that it cannot have.
    pub fn invalid_parameter(message: impl Into<String>) -> Error {
        Error::new(SqlState::InvalidParameterValue, message)
    }

    /// Adds the DETAIL sentence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Error {
        self.inner.detail = Some(detail.into());
        self
    }

    /// Adds the HINT sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.inner.hint = Some(hint.into());
        self
    }

    /// The same error, its texts in other words.
    #[must_use]
    pub fn reworded(mut self, word: &dyn Fn(&str) -> String) -> Error {
        let inner = &mut self.inner;
        for text in [Some(&mut inner.message), inner.detail.as_mut(), inner.hint.as_mut()] {
            text.into_iter().for_each(|text| *text = word(text));
        }
        self
    }

    /// Adds what it is about.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Error {
        self.inner.subject = Some(subject);
        self
    }

    /// Adds the CONTEXT: where in the data it happened.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Error {
        self.inner.context = Some(context.into());
        self
    }

    /// Adds the position: 1-based, in characters, into the statement's text.
    #[must_use]
    pub fn at(mut self, position: usize) -> Error {
        self.inner.position = Some(position);
        self
    }

    /// Takes the position away, where it does not refer to what the client has sent.
    #[must_use]
    pub fn unplaced(mut self) -> Error {
        self.inner.position = None;
        self
    }

    /// Adds the position if there is one and none is set yet.
    #[must_use]
    pub fn or_at(mut self, position: Option<usize>) -> Error {
        self.inner.position = self.inner.position.or(position);
        self
    }

    /// Adds "Perhaps you meant …" if one of `candidates` is close to `name` and no hint is set.
    #[must_use]
    pub fn did_you_mean<'a>(
        self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Error {
        match nearest(name, candidates) {
            Some(near) if self.inner.hint.is_none() => {
                self.hint(format!("Perhaps you meant \"{near}\"."))
            }
            _ => self,
        }
    }

    /// The SQLSTATE.
    #[must_use]
    pub fn state(&self) -> SqlState {
        self.inner.state
    }

    /// The primary message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The DETAIL, if any.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.inner.detail.as_deref()
    }

    /// The HINT, if any.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// What it is about, if known.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.inner.subject.as_ref()
    }

    /// The CONTEXT, if any.
    #[must_use]
    pub fn context_text(&self) -> Option<&str> {
        self.inner.context.as_deref()
    }

    /// 1-based position in characters, if known.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.inner.position
    }
}

/// The candidate nearest to `name` by edit distance, if it is near enough to be a likely typo.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= limit && *distance > 0 && *distance * 2 <= candidate.chars().count()
        })
        .min()
        .map(|(_, candidate)| candidate)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl std::error::Error for Error {}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Error {
        match error {
            ArrowError::DivideByZero => Error::new(SqlState::DivisionByZero, "division by zero"),
            ArrowError::ArithmeticOverflow(message) => {
                Error::new(SqlState::NumericValueOutOfRange, "value out of range").detail(message)
            }
            ArrowError::CastError(message) | ArrowError::ParseError(message) => {
                Error::new(SqlState::InvalidTextRepresentation, message)
            }
            ArrowError::InvalidArgumentError(message) => {
                Error::new(SqlState::InvalidParameterValue, message)
            }
            ArrowError::CsvError(message) => Error::new(SqlState::BadCopyFileFormat, message),
            ArrowError::JsonError(message) => {
                Error::new(SqlState::InvalidTextRepresentation, message)
            }
            ArrowError::ParquetError(message) | ArrowError::IpcError(message) => {
                Error::new(SqlState::DataException, message)
            }
            ArrowError::ExternalError(source) => match source.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<DataFusionError>() {
                    Ok(inner) => Error::from(*inner),
                    Err(other) => datafusion::of_foreign(&other.to_string()),
                },
            },
            other => datafusion::of_foreign(&other.to_string()),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        let state = match error.kind() {
            std::io::ErrorKind::NotFound => SqlState::UndefinedFile,
            std::io::ErrorKind::PermissionDenied => SqlState::InsufficientPrivilege,
            std::io::ErrorKind::StorageFull => SqlState::DiskFull,
            _ => SqlState::IoError,
        };
        Error::new(state, error.to_string())
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}
