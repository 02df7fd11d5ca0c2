//! Goal: files are read once, in order, wherever reading begins, and mistakes in them cost one row.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type};

use crate::connector::tests::{check, drain, field, spec};
use crate::connector::{OnError, SourceReader, SourceSpec, columns, open, open_until};
use crate::error::SqlState;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.path(name);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn fields() -> Vec<Field> {
    vec![
        field("id", DataType::Int64),
        field("name", DataType::Utf8),
        field("offset", DataType::Int64),
        field("file", DataType::Utf8),
    ]
}

fn ids(rows: &RecordBatch) -> Vec<Option<i64>> {
    rows.column(0).as_primitive::<Int64Type>().iter().collect()
}

fn names(rows: &RecordBatch) -> Vec<Option<&str>> {
    rows.column(1).as_string::<i32>().iter().collect()
}

fn file_spec(path: &str, options: &[(&str, &str)]) -> SourceSpec {
    let options: Vec<_> = [("path", path)].into_iter().chain(options.iter().copied()).collect();
    spec("file", &options, fields())
}

#[test]
fn csv_by_header_names_with_quotes_nulls_and_blank_lines() {
    let folder = Folder::new();
    let text = "\u{feff}NAME,more,Id\r\na,,1\r\n\r\n\"b, \"\"c\"\"\nd\",x,2\n,y,NA\n5\" pipe,,4";
    let path = folder.write("a.csv", text);
    let rows = check(&file_spec(&path, &[("null", ",NA")]));
    assert_eq!(ids(&rows), [Some(1), Some(2), None, Some(4)]);
    assert_eq!(names(&rows), [Some("a"), Some("b, \"c\"\nd"), None, Some("5\" pipe")]);
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().values(), &[0, 1, 2, 3]);
    assert_eq!(rows.column(3).as_string::<i32>().value(0), path);
}

#[test]
fn csv_without_header_by_position() {
    let folder = Folder::new();
    let path = folder.write("a.csv", "1;'x;y'\n2;z\n");
    let options = [("header", "false"), ("delimiter", ";"), ("quote", "'")];
    assert_eq!(names(&check(&file_spec(&path, &options))), [Some("x;y"), Some("z")]);
    let error = open(&file_spec(&path, &[]), None).err().unwrap();
    assert_eq!(error.state(), SqlState::UndefinedColumn);
    assert!(error.hint_text().unwrap().contains("header = 'false'"));
}

#[test]
fn types_that_the_decoder_does_not_know_are_read_as_postgres_does() {
    let folder = Folder::new();
    let path =
        folder.write("a.csv", "i,u,b\n1 day,00000000-0000-0000-0000-000000000001,\\x6162\n,,\n");
    let fields = vec![
        field("i", DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)),
        field("u", DataType::FixedSizeBinary(16)),
        field("b", DataType::Binary),
    ];
    let rows = check(&spec("file", &[("path", &path)], fields));
    assert_eq!(rows.column(2).as_binary::<i32>().value(0), b"ab");
    assert!(rows.columns().iter().all(|column| column.is_null(1)));
}

#[test]
fn a_bad_row_costs_one_row() {
    let folder = Folder::new();
    let mut csv = "id,name\n".to_owned();
    let mut json = String::new();
    for id in 0..300 {
        match id {
            17 => csv.push_str("x,17\n"),
            200 => csv.push_str("1,2,3\n"),
            299 => csv.push_str("1,\"open\n"),
            _ => csv.push_str(&format!("{id},n\n")),
        }
        match id {
            17 => json.push_str("{\"id\": \"x\"}\n"),
            200 => json.push_str("{\"id\": 1, \"name\n"),
            299 => json.push_str("[1]\n"),
            _ => json.push_str(&format!("{{\"ID\": {id}, \"name\": \"n\"}}\n")),
        }
    }
    for (name, text, payload) in [("a.csv", csv, "x,17"), ("a.json", json, "{\"id\": \"x\"}")] {
        let mut spec = file_spec(&folder.write(name, text), &[]);
        for rows_max in [3, 10_000] {
            let mut reader = open(&spec, None).unwrap();
            let polls = std::iter::from_fn(|| reader.poll(rows_max, 0).ok());
            let before: usize = polls.filter_map(|polled| Some(polled.batch?.num_rows())).sum();
            assert_eq!(before, 17, "the rows before the bad one count");
            assert!(reader.poll(rows_max, 0).is_err());
        }
        let error = drain(open(&spec, None).unwrap(), 10_000).unwrap_err();
        assert!(error.detail_text().unwrap().contains(payload), "{error:?}");
        assert_ne!(error.state(), SqlState::InternalError);
        spec.on_error = OnError::Skip;
        assert_eq!(check(&spec).num_rows(), 297);
        let (_, bad, _) = drain(open(&spec, None).unwrap(), 10_000).unwrap();
        assert_eq!(bad.iter().map(|bad| bad.offset).collect::<Vec<_>>(), [17, 200, 299]);
        assert_eq!(bad[0].payload, payload);
        assert!(!bad[0].error.message().contains("line"), "{}", bad[0].error);
    }
}

#[test]
fn a_folder_and_a_glob_in_name_order() {
    let folder = Folder::new();
    for (name, id) in [("b.json", 2), ("a.json", 1), ("c.json", 3), (".hidden", 9)] {
        folder.write(name, format!("{{\"id\": {id}}}\n{{\"id\": {id}}}"));
    }
    folder.write("empty.json", "");
    for path in [folder.path(""), folder.path("*.json")] {
        let rows = check(&file_spec(&path, &[("format", "json")]));
        assert_eq!(ids(&rows), [1, 1, 2, 2, 3, 3].map(Some));
        assert_eq!(rows.column(2).as_primitive::<Int64Type>().value(5), 5);
    }
}

#[test]
fn columnar_files_are_cast_to_the_declared_types() {
    let folder = Folder::new();
    let wide: Int64Array = (0..20_000).collect();
    let texts: StringArray = (0..20_000).map(|id| Some(format!("n{id}"))).collect();
    let columns_of: [(&str, Arc<dyn arrow::array::Array>); 2] =
        [("Name", Arc::new(texts)), ("ID", Arc::new(wide))];
    let batch = RecordBatch::try_from_iter(columns_of).unwrap();
    let parquet = fs::File::create(folder.path("a.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let ipc = fs::File::create(folder.path("a.arrow")).unwrap();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(ipc, &batch.schema()).unwrap();
    writer.write(&batch.slice(0, 5000)).unwrap();
    writer.write(&batch.slice(5000, 15_000)).unwrap();
    writer.finish().unwrap();
    for name in ["a.parquet", "a.arrow"] {
        let path = folder.path(name);
        let given = columns(&file_spec(&path, &[])).unwrap();
        assert_eq!(given.fields().iter().map(|f| f.name()).collect::<Vec<_>>(), ["name", "id"]);
        let (batches, _, positions) =
            drain(open(&file_spec(&path, &[]), None).unwrap(), 999).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
        let (before, position) = &positions[7];
        let mut rest = open(&file_spec(&path, &[]), Some(position)).unwrap();
        let next = rest.poll(1, 0).unwrap().batch.unwrap();
        assert_eq!(ids(&next), [Some(*before as i64)]);
        let (past, _, _) =
            drain(open_until(&file_spec(&path, &[]), position).unwrap(), 999).unwrap();
        assert_eq!(past.iter().map(RecordBatch::num_rows).sum::<usize>(), *before);
        let narrow = vec![field("id", DataType::Int16), field("name", DataType::Utf8)];
        let mut narrow = spec("file", &[("path", &path)], narrow);
        narrow.schema =
            Arc::new(arrow::datatypes::Schema::new(vec![field("name", DataType::Int16)]));
        narrow.on_error = OnError::Skip;
        let (_, bad, _) = drain(open(&narrow, None).unwrap(), 100_000).unwrap();
        assert_eq!(bad.len(), 20_000);
    }
}

fn poll(reader: &mut Box<dyn SourceReader>) -> (Vec<Option<i64>>, bool) {
    let polled = reader.poll(100, 0).unwrap();
    (polled.batch.as_ref().map(ids).unwrap_or_default(), polled.done)
}

#[test]
fn a_followed_file_grows_is_rotated_and_goes_on() {
    let folder = Folder::new();
    let path = folder.write("a.csv", "id,na");
    let spec = file_spec(&path, &[("follow", "true")]);
    let mut reader = open(&spec, None).unwrap();
    assert_eq!(poll(&mut reader), (vec![], false));
    folder.append("a.csv", "me\n1,a\n2");
    assert_eq!(poll(&mut reader), (vec![Some(1)], false));
    folder.append("a.csv", ",b\n");
    let polled = reader.poll(100, 7).unwrap();
    assert_eq!((ids(&polled.batch.unwrap()), polled.next_poll_us), (vec![Some(2)], Some(100_007)));
    let mut again = open(&spec, Some(&polled.position)).unwrap();
    folder.append("a.csv", "3,c\n4,last");
    fs::rename(&path, folder.path("old")).unwrap();
    folder.write("a.csv", "name,id\nx,5\n");
    let polled = reader.poll(100, 0).unwrap();
    assert_eq!(ids(polled.batch.as_ref().unwrap()), [Some(3), Some(4), Some(5)]);
    assert_eq!(polled.batch.unwrap().column(2).as_primitive::<Int64Type>().value(2), 4);
    assert_eq!(poll(&mut again).0, [Some(3), Some(4), Some(5)]);
    let late = drain(open_until(&spec, &polled.position).unwrap(), 10).unwrap_err();
    assert_eq!(late.state(), SqlState::ObjectNotInPrerequisiteState);
}

#[test]
fn a_file_that_was_cut_or_replaced_is_noticed() {
    let folder = Folder::new();
    let path = folder.write("a.csv", "id,name\n1,a\n2,b\n");
    let spec = file_spec(&path, &[("follow", "true")]);
    let mut reader = open(&spec, None).unwrap();
    let position = reader.poll(1, 0).unwrap().position;
    folder.write("a.csv", "id,name\n");
    assert!(reader.poll(10, 0).is_err());
    folder.write("a.csv", "id,name\n7,a\n2,b\n");
    for opened in [open(&spec, Some(&position)), open_until(&spec, &position)] {
        assert_eq!(opened.err().unwrap().state(), SqlState::ObjectNotInPrerequisiteState);
    }
}

#[test]
fn a_followed_folder_takes_new_files_behind_the_others() {
    let folder = Folder::new();
    folder.write("b.json", "{\"id\": 1}\n");
    let spec = file_spec(&folder.path(""), &[("follow", "true"), ("format", "json")]);
    let mut reader = open(&spec, None).unwrap();
    assert_eq!(poll(&mut reader).0, [Some(1)]);
    folder.append("b.json", "{\"id\": 2}");
    assert_eq!(poll(&mut reader).0, []);
    folder.write("c.json", "{\"id\": 3}\n");
    assert_eq!(poll(&mut reader).0, [Some(2), Some(3)]);
    folder.write("a.json", "{\"id\": 4}\n");
    assert!(reader.poll(100, 0).unwrap_err().message().contains("a.json"));
}

#[test]
fn mistakes_in_the_statement() {
    let folder = Folder::new();
    let path = folder.write("a.csv", "id,name\n");
    for (path, options, state) in [
        (folder.path("no.csv"), vec![], SqlState::UndefinedFile),
        (folder.path("*.csv.no"), vec![("format", "csv")], SqlState::UndefinedFile),
        (path.clone(), vec![("folow", "true")], SqlState::InvalidParameterValue),
        (path.clone(), vec![("follow", "maybe")], SqlState::InvalidParameterValue),
        (path.clone(), vec![("format", "xml")], SqlState::FeatureNotSupported),
        (path.clone(), vec![("delimiter", ";;")], SqlState::InvalidParameterValue),
        (folder.path("a.csv.gz"), vec![], SqlState::FeatureNotSupported),
        (folder.write("noname", ""), vec![], SqlState::InvalidParameterValue),
    ] {
        let error = open(&file_spec(&path, &options), None).err().unwrap();
        assert_eq!(error.state(), state, "{error:?}");
    }
    assert_eq!(columns(&file_spec(&path, &[])).unwrap_err().state(), SqlState::SyntaxError);
}
