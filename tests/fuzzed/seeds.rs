//! Sound inputs, which are changed by chance, and words that change them.

/// The material of inputs.
pub struct Seeds {
    pub inputs: &'static [&'static [u8]],
    pub words: &'static [&'static [u8]],
}

const GET: &[u8] = b"GET /a%20b?c=d HTTP/1.1\r\nHost: a.test:80\r\nAccept: */*\r\n\r\n";
const OLD: &[u8] = b"GET http://[::1]:8/p HTTP/1.0\r\nConnection: keep-alive, x\r\n\r\n";
const OPTIONS: &[u8] = b"OPTIONS * HTTP/1.2\r\nHost: [v1.x]\r\nConnection: close\r\nX: \xe9\t y \r\n\r\n";
const LENGTH: &[u8] = b"POST /p HTTP/1.1\r\nHost:\r\nContent-Length: 5\r\n\r\nabcde";
const CHUNKS: &[u8] = b"PUT /q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    4;a=b\r\nabcd\r\n0a ; c = \"d;\\\"\" ;e\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
const STREAM: &[u8] =
    b"POST /stream HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n";
const UNWANTED: &[u8] = b"POST /unwanted HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd\
    HEAD /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcDELETE /no HTTP/1.1\r\nHost: a\r\n\r\n";
const MANY: &[u8] = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nPOST /p HTTP/1.0\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\
    \r\nGET /unwanted?x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";

const HTTP_WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b" ",
    b" \t",
    b"\r\n ",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/1.10",
    b"CONNECT",
    b"BREW",
    b"Host: a\r\n",
    b"Host : a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: +5\r\n",
    b"content-length:5 \r\n",
    b"Content-Length: 4097\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding:\tChunked \r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding: chunked,\r\n",
    b"Connection: close\r\n",
    b"Connection: Keep-Alive\r\n",
    b"/unwanted",
    b"/stream",
    b"/no",
    b"0\r\n\r\n",
    b"ffffffffffffffff",
    b"10000000000000000",
    b"1001",
    b";a=\"",
    b"\\\"",
    b"https://",
    b"user@",
    b"[::1]",
    b"[1::2::3]",
    b"%41",
    b"%4",
    b":65536",
    b":0080",
    b"#",
    b"?",
];

pub const HEADS: Seeds = Seeds { inputs: &[GET, OLD, OPTIONS], words: HTTP_WORDS };
pub const PIPELINES: Seeds =
    Seeds { inputs: &[GET, OLD, OPTIONS, LENGTH, CHUNKS, STREAM, UNWANTED, MANY], words: HTTP_WORDS };

const JSON_WORDS: &[&[u8]] = &[
    b"\"x\":",
    b"\"\\u0078\":1",
    b"\"y\":2,",
    b"\"channel\":\"B\"",
    b"\"\\ud800\"",
    b"\"value\":",
    b"\"z\":[{}]",
    b"-0",
    b"-2147483648",
    b"2147483648",
    b"1e2",
    b"1.0",
    b"0.5",
    b"1e400",
    b"255",
    b"256",
    b"\"+1_0.0\"",
    b"\" 7\xc2\xa0\"",
    b"true",
    b"null",
    b"NaN",
    b"01",
    b"\xef\xbb\xbf",
    b"\x0c",
    b"\x0b",
    b"{}",
    b"[]",
    b"\n",
    b"\r\n",
    b",",
    b"}{",
    b"[[[[[[[[",
];

const PIXEL: &[u8] = br#"{"x":1,"y":-2,"channel":"R","value":3}"#;
pub const PIXELS: Seeds = Seeds {
    inputs: &[
        PIXEL,
        b"\xef\xbb\xbf{ \"value\": \"255\", \"channel\" : \"G\",\t\"y\":2147483647,\r\n\"x\":-2147483648.0 } ",
        br#"{"x":true,"y":1e2,"channel":"\u0042","value":0,"x":"-1_0.0","more":[{"a":"\\\""},null]}"#,
        b"[1]",
    ],
    words: JSON_WORDS,
};

pub const BATCHES: Seeds = Seeds {
    inputs: &[
        b"\0\x05[{\"x\":1,\"y\":-2,\"channel\":\"R\",\"value\":3} ,\n{\"value\":4,\"channel\":\"B\",\"y\":0,\"x\":9},{},1]",
        b"\0\x11 [] ",
        b"\0\x09[{\"x\":1,\"y\":2,\"channel\":\"G\",\"value\":3,\"z\":\"[{\\\"]}\"},{\"x\":1,\"y\":2,\"channel\":\"G\",\"value\":300}]",
        b"\x01\x07{\"x\":1,\"y\":-2,\"channel\":\"R\",\"value\":3}\r\n\n {\"value\":4, \"channel\":\"B\",\"y\":0,\"x\":9}\n7\n",
        b"\x01\x03{\"x\":\"1\",\"y\":2.0,\"channel\":\"G\",\"value\":true}\n{\"x\":1,\"y\":-2,\"channel\":\"R\",\"value\":3}",
        b"\x02\x07\x11\x03\x01\0\0\0\x02\0\0\0\x12\xff\x01\0\0\0\x02\0\0\0\x1f\xff\x01\0\0\0\x02\0\0\0\x13\0\xff\xff\xff\xff\0\0\0\x80",
    ],
    words: JSON_WORDS,
};

pub const JOURNALS: Seeds = Seeds {
    inputs: &[
        b"\0\x01\x01\0\x04",
        b"\x01\0\x01\0\x30",
        b"\x02\0\x01\x80\x70\0\x80\0\0\x20",
        b"\x03\0\x01\xff\x7f",
        b"\x04\x40\0\0\x10\x05\x20\x01\0\x20",
        b"\0\x80\0\x40\x60\x01\x05\0\0\x02\x03\0\x01\0\x20",
    ],
    words: &[
        b"\0",
        b"\x01",
        b"\x02",
        b"\x03",
        b"\x04",
        b"\x05",
        b"\xff\x7f",
        b"\0\x02",
        b"\0\x10",
        b"\0\x80",
    ],
};

pub const CONFIGURATIONS: Seeds = Seeds {
    inputs: &[
        b"listen = [\"127.0.0.1:8000\", \"[::1]:8000=pixel\"]\nworkers = 2\ndurability = \"disk\"\n",
        b"apps = \"pixel,board\"\ndata-dir = '/var/lib/p\"x'\n[limits]\nconnections = 100\nrequest_line_bytes = \"8k\"\n",
        b"log_level = \"debug\"\nlog_format = \"json\"\nrate = \"100/s\"\nallow_host = [\"a.test\"] # why\n[keep]\npixel = \"30d\"\n",
        b"\"listen\" = \"\"\"http://0.0.0.0:80?proxy\"\"\"\ntrusted_proxies = [\"10.0.0.0/8\"]\nworkers = 0x1\n",
    ],
    words: &[
        b"listen", b"workers", b"[limits]", b"[keep]", b" = ", b"\"", b"\"\"\"", b"'", b"[", b"]", b"{", b"}", b"\n", b"#",
        b"\\u0000", b"\\\"", b"\\n", b"-1", b"0", b"99999999999999999999", b"1e3", b"nan", b"true", b"1979-05-27", b"8k", b"1GiB",
        b"both", b"peer", b"durability", b"https://", b"=index", b"?proxy", b"\xc3\xa9", b",", b", ,", b".", b"\xef\xbb\xbf",
    ],
};

pub const HANDSHAKES: Seeds = Seeds {
    inputs: &[
        b"\x01\x05\0\0\0GET / HTTP/1.1\r\n\r\n",
        b"\x02\xff\0\0\0GET / HTTP/1.1\r\n\r\n",
        b"\x03\x40\x80\0\x01said",
        b"\x02\x10\x40\x01\x80said in many words, or in few",
        b"\x01\x20\x05\0\x03said",
        b"\0\x03\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb\0\0\x04\xc0\x2b\xc0\x2f\x01\0",
        b"\0\x01\x15\x03\x03\0\x02\x01\0",
        b"\0\x02GET / HTTP/1.1\r\n\r\n",
    ],
    words: &[
        b"\x16\x03\x01", b"\x16\x03\x03", b"\x17\x03\x03\0\x01\0", b"\x14\x03\x03\0\x01\x01", b"\x15\x03\x03\0\x02\x02\x28",
        b"\0\0", b"\xff\xff", b"\x03\x04", b"\x13\x01", b"\0\x2b\0\x03\x02\x03\x04", b"\0\x10\0\x0b",
    ],
};

pub const PROXIES: Seeds = Seeds {
    inputs: &[
        b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 80\r\nGET / HTTP/1.1\r\n",
        b"PROXY TCP6 2001:db8::7 ::ffff:10.0.0.1 0 65535\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\0\x50\0\x51GET",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\0\x50\0\x51",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ],
    words: &[
        b"PROXY ", b"TCP4", b"TCP6", b"UNKNOWN", b" ", b"  ", b"\r\n", b"\r", b"\n", b"+80", b"080", b"65536", b"::ffff:1.2.3.4",
        b"1.2.3.04", b"fe80::1%lo", b"\x21", b"\x22", b"\x11\x11", b"\xff\xff", b"\0\x0b", b"\x07\xf0",
    ],
};
