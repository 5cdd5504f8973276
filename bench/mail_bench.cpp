// SPDX-License-Identifier: Apache-2.0
// What a message costs a reader of mail, and the decoders by themselves.
#include "protocols/mime/base64_decoder.h"
#include "protocols/mime/mail_reader.h"
#include "protocols/mime/quoted_printable_decoder.h"

#include <benchmark/benchmark.h>

#include <array>
#include <string>

namespace {

using namespace sluice;
using namespace sluice::mime;

class Nobody : public MailSink {
public:
    void on_head(const MailHead&) override {}
    void on_part(const Part&) override {}
    void on_data(const Part&, std::string_view decoded) override { octets += decoded.size(); }
    void on_part_end(const Part&) override {}
    std::size_t octets = 0;
};

std::string repeated(std::string_view line, std::size_t size) {
    std::string out;
    while (out.size() < size) out += line;
    return out;
}

constexpr std::string_view base64_line = "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNldGV0dXIgc2FkaXBzY2luZyBlbGl0cjEy\r\n";
constexpr std::string_view text_line = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy\r\n";
constexpr std::string_view quoted_line = "Gr=C3=BC=C3=9Fe aus M=C3=BCnchen, und so weiter bis zum Ende der Zeile, =\r\n";

std::string head() {
    std::string out;
    for (int hop = 0; hop < 4; ++hop)
        out += "Received: from mx" + std::to_string(hop) +
               ".example.org (mx.example.org [192.0.2.1])\r\n\tby mail.example.net with ESMTPS id 4XyZ"
               "\r\n\tfor <bob@example.net>; Fri, 27 Nov 2026 10:00:00 +0000 (UTC)\r\n";
    return out +
           "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from:to:subject; bh=abc; b=def\r\nFrom: Ann Example "
           "<ann@example.org>\r\n"
           "To: Bob <bob@example.net>, carol@example.net\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= and more\r\nMessage-ID: "
           "<1234567890@example.org>\r\n"
           "Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";
}

std::string attachment(std::string_view coding, std::string_view line, std::size_t size) {
    return head() +
           "Content-Type: multipart/mixed; boundary=\"----=_Part_1\"\r\n\r\n------=_Part_1\r\nContent-Type: text/plain; "
           "charset=utf-8\r\n\r\nhello\r\n"
           "------=_Part_1\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n"
           "Content-Transfer-Encoding: " +
           std::string(coding) + "\r\n\r\n" + repeated(line, size) + "------=_Part_1--\r\n";
}

void read(benchmark::State& state, const std::string& message, Reading reading = Reading::usual) {
    constexpr std::size_t chunk = 16 * 1024;
    for (auto _ : state) {
        Nobody nobody;
        MailReader reader(reading, Limits(), nobody);
        for (std::size_t at = 0; at < message.size(); at += chunk) reader.feed(std::string_view(message).substr(at, chunk));
        reader.finish();
        benchmark::DoNotOptimize(nobody.octets);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(message.size()));
}

void text_5k(benchmark::State& state) {
    read(state, head() + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + repeated(text_line, 4096));
}
void text_1m(benchmark::State& state) { read(state, attachment("7bit", text_line, 1 << 20)); }
void base64_1m(benchmark::State& state) { read(state, attachment("base64", base64_line, 1 << 20)); }
void quoted_1m(benchmark::State& state) { read(state, attachment("quoted-printable", quoted_line, 1 << 20)); }
void binary_1m(benchmark::State& state) { read(state, attachment("binary", std::string(4096, 'x'), 1 << 20)); }
void dashes_1m(benchmark::State& state) { read(state, attachment("7bit", "--\r\n", 1 << 20)); }
void boundaries_1m(benchmark::State& state) {
    read(state, head() + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeated("--b\r\n\r\nx\r\n", 1 << 20));
}
void sweep_1m(benchmark::State& state) { read(state, attachment("base64", base64_line, 1 << 20), Reading::sweep); }
void strict_1m(benchmark::State& state) { read(state, attachment("base64", base64_line, 1 << 20), Reading::strict); }
void nested_1m(benchmark::State& state) {
    std::string message = head();
    for (int level = 0; level < 30; ++level)
        message += "Content-Type: multipart/mixed; boundary=" + std::string(60, 'b') + std::to_string(level) + "\r\n\r\n--" +
                   std::string(60, 'b') + std::to_string(level) + "\r\n";
    read(state, message + "\r\n" + repeated("--" + std::string(60, 'b') + "x\r\n", 1 << 20));
}

template <class Decoder>
void decode(benchmark::State& state, std::string_view line) {
    const std::string text = repeated(line, 1 << 20);
    std::array<char, 8192> buffer;
    for (auto _ : state) {
        Decoder decoder;
        for (std::string_view in = text; !in.empty();) benchmark::DoNotOptimize(decoder.decode(in, buffer).data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
void base64_decoder(benchmark::State& state) { decode<Base64Decoder>(state, base64_line); }
void quoted_printable_decoder(benchmark::State& state) { decode<QuotedPrintableDecoder>(state, quoted_line); }

BENCHMARK(text_5k);
BENCHMARK(text_1m);
BENCHMARK(base64_1m);
BENCHMARK(quoted_1m);
BENCHMARK(binary_1m);
BENCHMARK(dashes_1m);
BENCHMARK(boundaries_1m);
BENCHMARK(nested_1m);
BENCHMARK(sweep_1m);
BENCHMARK(strict_1m);
BENCHMARK(base64_decoder);
BENCHMARK(quoted_printable_decoder);

}  // namespace
