// SPDX-License-Identifier: Apache-2.0
// Every bound in one place, with its unit and why it is what it is. A number that limits a peer stands nowhere else.
// Those with a name in `[limits]` (or `[http]`) can be configured; the rest are fixed here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice {

struct Limits {
    using Duration = std::chrono::milliseconds;

    // Connections. 0: from RLIMIT_NOFILE (two descriptors a connection, and a reserve).
    std::size_t connections = 0;
    std::size_t connections_per_client = 512;
    std::size_t stranger_share = 16;           // one place in so many is for clients that wait to be refused

    // HTTP/1 heads (RFC 9110 2.3, RFC 9112 3: at least 8000 octets of a request line should be supported).
    std::size_t header_bytes = 64 * 1024;      // a whole head, request or response, with its start line
    std::size_t header_fields = 128;           // field lines in a head
    std::size_t request_target = 32 * 1024;    // octets of the request target
    std::size_t chunk_line = 4 * 1024;         // a chunk's size line, extensions included (RFC 9112 7.1.1)
    std::size_t trailer_bytes = 16 * 1024;     // a whole trailer section
    std::size_t leading_empty_lines = 4;       // CRLFs before a request line (RFC 9112 2.2)
    std::size_t interim_responses = 16;        // 1xx before a final response
    std::size_t lingering_bytes = 1024 * 1024; // read and thrown away after an early response, so that the client sees it

    // Times.
    Duration head{15'000};          // a request head, from its first byte to its last
    Duration connect{10'000};       // to a server, all addresses
    Duration connect_attempt{3'000};// one address
    Duration first_byte{300'000};   // a response's first byte after the request went out
    Duration body_idle{120'000};    // nothing moved in a body
    Duration client_idle{60'000};   // between requests of a client
    Duration upstream_idle{55'000}; // an unused connection in the pool; shorter than the 60 s at which common servers close
    Duration tunnel_idle{3'600'000};// tunnels, WebSockets, event streams
    Duration lingering{2'000};      // see lingering_bytes
    Duration drain{30'000};
    Duration client_watch{1'000};   // a server that is slower than this: from then on we look whether the client still waits
    Duration long_lived{60'000};    // a tunnel older than this has an event for its start
    Duration resolve{5'000};        // one name
    Duration proxy_header{5'000};   // a PROXY protocol header, whole
    Duration happy_eyeballs{250};   // head start of one address over the next (RFC 8305 section 5)

    // A body that moves, but slower than this, averaged over body_idle, is cut (a slow body holds a server's thread).
    std::size_t body_bytes_per_second = 32;

    // Upstream pool, per worker.
    std::size_t pool_per_origin = 64;
    std::size_t pool_total = 1024;

    // Names.
    std::size_t dns_cache_entries = 16 * 1024; // per worker
    Duration dns_negative{60'000};             // an answer that there is none is kept no longer (RFC 2308)
    Duration dns_ttl_min{1'000};
    Duration dns_ttl_max{86'400'000};
    std::size_t addresses_per_name = 16;

    // The event log.
    std::size_t log_text = 32'766;  // octets of one text (a URL, a User-Agent) in an event: the longest term that Lucene indexes
    std::size_t log_queue = 4 * 1024 * 1024;  // of lines that wait for the writer, per worker
    std::size_t rule_names = 65'536;  // different names of rules that are counted, over all reloads

    // TLS.
    // Octets of a client's first message, with the headers of the records that it comes in (RFC 8446 4.1.2, 5.1). Browsers with post-quantum keys send
    // 2 KiB; a resumed session adds its ticket, some KiB with a client's certificate in it. What comes in records of one octet is walked again with
    // each of them: twice the bound is four times the work.
    std::size_t client_hello = 32 * 1024;
    Duration client_hello_wait{2'000};  // a ClientHello, whole, after a CONNECT was answered
    Duration tls_handshake{10'000};  // with a client or a server, after the ClientHello
    std::size_t tls_sessions = 1024;  // with servers, kept to be resumed, per worker
    std::size_t leaves = 4096;  // made certificates, per worker; about 3 KiB each
    std::size_t unwilling_names = 1024;  // names whose clients refuse our certificates
    std::size_t unwilling_clients = 64;  // of those, of one name, told apart
    Duration unwilling_exempt{43'200'000};  // how long `learn = "apply"` leaves such a name alone

    // Credentials.
    std::size_t credentials = 1024;  // octets of a Basic credential, encoded
    std::size_t password_queue = 1024;  // verifications that wait for a thread
    std::size_t remembered_credentials = 64 * 1024;  // good ones, per worker
    Duration credential_memory{300'000};  // how long a good one is remembered
    std::size_t password_attempts = 20;  // a client's verifications a minute; beyond: 429

    // Signature files and the patterns of rules on `body`.
    std::size_t signatures = 100'000;  // of all files together
    std::size_t signature_name = 128;  // octets
    std::size_t signature_pattern = 4 * 1024;  // octets of a text, pairs of a hex, octets of an expression
    double signature_bits = 32;  // what a pattern must say: 4 literal bytes; a shorter one is found in everything
    std::size_t expression_repeat = 1'000;  // the largest count, nested ones multiplied (RE2's own bound)
    std::size_t expression_positions = 1'000;  // of a repeated group, written out: beyond, compiling takes many seconds
    std::size_t expression_depth = 32;  // groups in groups
    std::size_t checked_match = 120;  // octets of a match that has a `check`: that many are kept of a payload that passes
    std::size_t pattern_faults = 16;  // patterns that Vectorscan refuses, told in one go: each takes a compilation
    std::size_t scan_matches = 64;  // names in scan.match of one payload
    std::size_t idle_pattern_streams = 64;  // kept for the next payloads, per worker

    // Buckets of `limit` rules, all together: peers choose the keys. About 64 bytes each.
    std::size_t rate_limit_buckets = 256 * 1024;

    // Content codings (RFC 9110 8.4), decoded to be inspected.
    std::size_t decoded_layers = 3;  // codings on one payload; honest servers use one
    // Decoded octets for one encoded, once there are more than decoded_free of them: what a received octet may cost. Web pages and tables
    // stay below 1:100; Apache's own limit is 1:200; deflate ends at 1:1032, Brotli and Zstandard go beyond 1:30,000. The first 4 MiB are
    // free: they take some 10 ms, and small payloads of blanks are common.
    std::size_t decoded_ratio = 200;
    std::size_t decoded_free = 4 * 1024 * 1024;

    // Payloads that wait for their verdict.
    std::size_t held_in_memory = 16 * 1024 * 1024;  // octets of one: what is more goes to a file
    std::size_t verdict_cache_bytes = 32 * 1024 * 1024;  // what is known of contents, all workers together
    Duration outside_verdict{600'000};  // how long a verdict is kept that clamd or an ICAP server had a part in: their databases change
    Duration whole_after_cut{3'600'000};  // how long no part is fetched of a URL whose transfer a verdict has cut
    std::size_t cut_urls = 64 * 1024;  // of those, kept
    std::size_t file_threads = 2;  // that write and read held payloads' files
    std::size_t engine_threads = 16;  // that ask clamd, and as many that ask the ICAP server
    std::size_t aside_queue = 4096;  // calls that wait for one of those threads

    // FTP.
    std::size_t ftp_line = 4 * 1024;  // of a command, or of one line of a reply
    std::size_t ftp_reply = 256 * 1024;  // all lines of one reply
    std::size_t ftp_path = 2 * 1024;  // octets of a path, resolved
    Duration ftp_idle{300'000};  // between commands (RFC 1123 4.1.3.2: at least 5 minutes)
    Duration ftp_data_connect{30'000};  // a data connection, from the command on
    Duration ftp_after_abort{10'000};  // a server's last word on a transfer that was cut
    Duration ftp_upload_scan{
        14'000};  // engines' time for a held upload: from its last byte its client waits for the reply, and nothing can be said meanwhile
    Duration ftp_patience{10'000};  // between words to a client that waits for a file: clients give up on a silent proxy after 15 to 60 s
    Duration ftp_failed_login{3'000};  // before a bad password is answered (RFC 2577 5)
    std::size_t ftp_failed_logins = 3;  // guesses of a password in one session (RFC 2577 5)
    std::size_t ftp_listing = 64 * 1024 * 1024;  // octets of one directory listing: half a million long lines

    // SMTP (RFC 5321 4.5.3). The RFC's own bounds are those below which nothing may be refused.
    std::size_t smtp_command_line = 4 * 1024;  // of a command: 512 octets, and what extensions add to MAIL and RCPT
    std::size_t smtp_auth_line = 12'288;  // of AUTH and what follows it (RFC 4954 4.3)
    std::size_t smtp_reply_line = 4 * 1024;  // of one line of a server's reply
    std::size_t smtp_reply = 64 * 1024;  // all lines of one reply
    std::uint64_t smtp_swallowed = 4ULL * 1024 * 1024 * 1024;  // of a chunk that is refused, read to its end; beyond, the session ends
    std::size_t smtp_bad_commands = 20;  // that were refused in one session; then 421
    std::size_t smtp_failed_logins = 3;  // in one session
    Duration smtp_failed_login{3'000};  // before a bad password is answered
    std::size_t smtp_received = 100;  // Received fields: more are a loop (RFC 5321 6.3)
    Duration smtp_idle{300'000};  // a command, or the next octets of a message, from the client (RFC 5321 4.5.3.2)
    Duration smtp_greeting{60'000};  // a server's greeting; the client waits for its own answer to EHLO meanwhile
    Duration smtp_command{300'000};  // a server's reply to a command
    Duration smtp_data_start{120'000};  // to DATA
    Duration smtp_data_block{180'000};  // a server takes the next octets
    Duration smtp_end_of_data{600'000};  // a server's last word on a message
    Duration smtp_keep_alive{60'000};  // a server that waits for its message to be inspected hears a NOOP so often
    Duration smtp_retry{10'000};  // an upstream that could not be reached comes behind the others for so long
    Duration smtp_scan{95'000};  // engines' time for a whole message: clients wait 100 s and more for the last reply

    // Mail (RFC 5322, RFC 2045). Beyond these bounds a message is not refused but ambiguous.
    std::size_t mail_header_bytes = 256 * 1024;  // a header section, of the message or of a part
    std::size_t mail_depth = 32;  // multiparts and messages in one another
    std::size_t mail_expanded = 64 * 1024 * 1024;  // octets that files of BinHex, which shortens runs, may become in one message
    std::size_t mail_parts = 1'000;  // of a message, all levels together
    std::size_t mail_text = 4 * 1024;  // octets of a subject or a name that are kept
    std::size_t mail_addresses = 256;  // of a head that are kept
    std::size_t mail_parameters = 256;  // of one field; names in pieces (RFC 2231) take many
    std::size_t mail_ambiguous_parts = 4'000;  // of all readings of a message together

    // Forms (RFC 7578).
    std::size_t form_parts = 1024;
    std::size_t form_part_header_bytes = 16 * 1024;  // a part's header section
    std::size_t form_part_header_fields = 32;
    std::size_t form_margin = 4 * 1024;  // before the first boundary, and after the last; both are empty in what browsers send
    std::size_t header_parameters = 16;  // of one Content-Type or Content-Disposition

    friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace sluice
