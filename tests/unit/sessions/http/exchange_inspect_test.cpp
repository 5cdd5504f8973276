// SPDX-License-Identifier: Apache-2.0
// Payloads on their way through a session: what waits for the verdict, what a refusal leaves of both connections, and what fails in between.
#include <gmock/gmock.h>

#include "inspect/setup.h"
#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// In pieces, so that no scanner takes this file for what it tests.
const std::string eicar = std::string(R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR)") + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*";

// Compiled once for all tests of this file: it takes its time.
std::shared_ptr<const inspect::PatternSet> patterns() {
    static const std::shared_ptr<const inspect::PatternSet> set = [] {
        Diagnostics faults;
        return inspect::PatternSet::compile({}, {}, Limits{}, faults);
    }();
    return set;
}

Bench::Adjust inspecting(policy::Deliver deliver, bool trickle = false) {
    return [=](Settings& settings) {
        auto setup = std::make_shared<inspect::Setup>();
        setup->patterns = patterns();
        setup->engines = {policy::Engine::signatures};
        setup->max_size = 1'000'000;
        settings.inspect = std::move(setup);
        settings.deliver = deliver;
        settings.trickle = trickle;
    };
}

std::string post(std::string_view fields, std::string_view body) {
    return "POST http://server.test/ HTTP/1.1\r\nHost: server.test\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

std::string length(std::size_t bytes) { return "Content-Length: " + std::to_string(bytes) + "\r\n"; }

TEST(Inspected, a_held_download_comes_with_its_head_after_the_verdict) {
    Bench bench({}, "allow", inspecting(policy::Deliver::hold));
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/f.txt"));
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + std::string(1999, 'a'));
    EXPECT_EQ(client.take(), "");
    server.send("b");
    EXPECT_THAT(client.wait_for("b"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\n" + std::string(1999, 'a') + "b")));
    EXPECT_EQ(value(bench.event(), "scan.verdict"), "clean");
    EXPECT_EQ(value(bench.event(), "file.name"), "f.txt");
    EXPECT_EQ(bench.pooled(), 1U);
}

TEST(Inspected, an_infected_download_that_is_held_is_a_page) {
    Bench bench({}, "allow", inspecting(policy::Deliver::hold));
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send(ok(eicar));
    EXPECT_THAT(client.wait_for("</html>"), AllOf(StartsWith("HTTP/1.1 403 "), Not(HasSubstr("EICAR-STANDARD"))));
    EXPECT_FALSE(client.has_ended());
    EXPECT_EQ(value(bench.event(), "scan.threat"), "EICAR-Test-File");
    EXPECT_EQ(value(bench.event(), "event.action"), "blocked");
}

TEST(Inspected, a_rule_without_a_reason_is_told_by_the_threat) {
    Bench bench({rule("no-test-files", "scan.threat == \"EICAR-Test-File\"", "block")}, "allow", inspecting(policy::Deliver::hold));
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send(ok(eicar));
    EXPECT_THAT(client.wait_for("</html>"), HasSubstr("<p class=\"reason\">EICAR-Test-File</p>"));
    EXPECT_EQ(value(bench.event(), "event.reason"), "EICAR-Test-File");
}

TEST(Inspected, what_has_begun_is_cut_so_that_it_shows) {
    for (const bool chunked : {false, true}) {
        SCOPED_TRACE(chunked);
        Bench bench({}, "allow", inspecting(policy::Deliver::stream));
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(get());
        server.take();
        const std::string before(5000, 'a');
        server.send(chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + before + "\r\n"
                            : "HTTP/1.1 200 OK\r\nContent-Length: 5068\r\n\r\n" + before);
        std::string got = client.wait_for(before);
        server.send(chunked ? "44\r\n" + eicar + "\r\n0\r\n\r\n" : eicar);
        got += client.wait_for_end();
        EXPECT_TRUE(client.was_reset());
        EXPECT_THAT(got, AllOf(Not(HasSubstr("EICAR-STANDARD")), Not(HasSubstr("0\r\n\r\n"))));
        EXPECT_EQ(value(bench.event(), "scan.verdict"), "infected");
        EXPECT_EQ(value(bench.event(), "http.response.status_code"), "200");
        EXPECT_EQ(bench.pooled(), 0U);
    }
}

TEST(Inspected, an_infected_upload_reaches_no_server) {
    Bench bench({}, "allow", inspecting(policy::Deliver::hold));
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post(length(eicar.size()), eicar));
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(server.take(), "");
    EXPECT_EQ(value(bench.event(), "scan.verdict"), "infected");
}

TEST(Inspected, an_upload_that_has_begun_ends_without_its_end) {
    Bench bench({}, "allow", inspecting(policy::Deliver::stream));
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Transfer-Encoding: chunked\r\n", "1388\r\n" + std::string(5000, 'a') + "\r\n"));
    std::string got = server.wait_for(std::string(5000, 'a'));
    client.send("44\r\n" + eicar + "\r\n0\r\n\r\n");
    got += server.wait_for_end();
    EXPECT_THAT(got, AllOf(Not(HasSubstr("EICAR-STANDARD")), Not(HasSubstr("0\r\n\r\n"))));
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(value(bench.event(), "event.action"), "blocked");
}

TEST(Inspected, a_source_that_pauses_gets_through) {
    Bench bench({}, "allow", inspecting(policy::Deliver::automatic));
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly the first of it");
    EXPECT_THAT(client.wait_for("first of it"), EndsWith("\r\n\r\nonly the first of it"));
    EXPECT_TRUE(bench.events().empty());
}

// The client has less room than the head of what trickles: the rest waits, and nothing comes twice.
TEST(Inspected, a_trickle_to_a_client_that_has_no_room) {
    Bench bench({}, "allow", inspecting(policy::Deliver::hold, true));
    bench.set_client_capacity(40);
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    std::string body;
    for (int i = 0; body.size() < 20'000; ++i) body += std::to_string(i) + ' ';
    server.send("HTTP/1.1 200 OK\r\n" + length(body.size() + 1) + "\r\n" + body);
    std::string got = client.wait_for("HTTP/1.1 200 OK\r\n");
    server.send("$");
    got += client.wait_for("$");
    EXPECT_THAT(got, EndsWith("\r\n\r\n" + body + "$"));
    EXPECT_EQ(value(bench.event(), "scan.partial"), "true");
}

// Every step fails once, with a payload on its way: it ends each time, in one event, and what is infected comes through nowhere.
using Script = std::function<void(Bench&, std::string&)>;

void fail_every_step(policy::Deliver deliver, Errc error, const Script& script) {
    for (std::size_t step = 1;; ++step) {
        ASSERT_LT(step, 300U);
        SCOPED_TRACE("step " + std::to_string(step));
        Bench bench({}, "allow", inspecting(deliver));
        bench.fail({step, error});
        bench.longest_read(3000);
        std::string got;
        script(bench, got);
        EXPECT_TRUE(bench.wait_for_sessions()) << "it hangs";
        EXPECT_THAT(got, Not(HasSubstr(eicar)));
        EXPECT_LE(bench.events().size(), 1U);
        for (const Record& event : bench.events()) EXPECT_NE(value(event, "event.action"), "allowed");
        if (bench.operations() < step) break;
    }
}

void infected_download(Bench& bench, std::string& got) {
    const std::string origin = "127.0.0.1:" + std::to_string(Bench::dead_port());
    Peer& server = bench.server(origin, origin);
    Peer& client = bench.client();
    client.send("GET http://" + origin + "/ HTTP/1.1\r\nHost: " + origin + "\r\nConnection: close\r\n\r\n");
    if (server.take().ends_with("\r\n\r\n")) server.send(ok(std::string(10'000, 'a') + eicar + std::string(10'000, 'b')));
    server.close();
    got = client.wait_for_end();
    client.close();
}

void infected_upload(Bench& bench, std::string& got) {
    const std::string origin = "127.0.0.1:" + std::to_string(Bench::dead_port());
    Peer& server = bench.server(origin, origin);
    Peer& client = bench.client();
    const std::string body = std::string(10'000, 'a') + eicar + std::string(10'000, 'b');
    client.send("POST http://" + origin + "/ HTTP/1.1\r\nHost: " + origin + "\r\nConnection: close\r\n" + length(body.size()) + "\r\n" +
                body);
    got = server.take();
    server.close();  // one that cannot be written to may still have an answer: it is waited for
    client.wait_for_end();
    client.close();
}

TEST(Inspected, each_step_of_an_infected_download_fails) {
    for (const policy::Deliver deliver : {policy::Deliver::hold, policy::Deliver::tail, policy::Deliver::stream})
        for (const Errc error : {Errc::reset, Errc::timed_out}) fail_every_step(deliver, error, infected_download);
}

TEST(Inspected, each_step_of_an_infected_upload_fails) {
    for (const policy::Deliver deliver : {policy::Deliver::hold, policy::Deliver::tail, policy::Deliver::stream})
        for (const Errc error : {Errc::reset, Errc::timed_out}) fail_every_step(deliver, error, infected_upload);
}

TEST(Upload, of_two_types_is_refused) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(
        post("Content-Type: multipart/form-data; boundary=a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5\r\n",
             "hello"));
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 400 "));
    EXPECT_EQ(server.take(), "");
}

}  // namespace
}  // namespace sluice::http
