// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/archive_engine.h"

#include "unit/inspect/scanner/archives.h"
#include "unit/inspect/scanner/scan_object.h"
#include "unit/inspect/scanner/support.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::inspect {
namespace {

const mime::MultipartType form_type{mime::MultipartKind::form, "b"};

std::string part(std::string_view fields, std::string_view data) {
    return "--b\r\nContent-Disposition: form-data; " + std::string(fields) + "\r\n\r\n" + std::string(data) + "\r\n";
}
std::vector<std::string> paths(const Scan& scan) {
    std::vector<std::string> out;
    for (const Member& member : scan.members) out.push_back(member.path);
    return out;
}

TEST(Forms, each_part_is_a_member) {
    const std::string zip = archive_of("zip", "", {{"x.exe", "MZ"}});
    const std::string form =
        part("name=\"note\"", "hello") + part("name=f; filename=\"up.zip\"", zip) + part("name=g; filename=\"\"", "") + "--b--\r\n";
    const Scan got = scan(form, "form", {}, {}, form_type);
    EXPECT_EQ(words(got.outcome), "clean ");
    EXPECT_EQ(paths(got), (std::vector<std::string>{"note", "up.zip", "up.zip/x.exe", "g"}));
    EXPECT_EQ(got.members[0].first_bytes, "hello");
    EXPECT_EQ(got.members[1].size, zip.size());
    EXPECT_EQ(got.members[2].depth, 2U);
}

TEST(Forms, infected_parts_and_what_is_in_them) {
    const auto form_of = [](std::string_view fields, std::string_view data) { return part("name=a", "x") + part(fields, data) + "--b--"; };
    EXPECT_EQ(words(scan(form_of("name=f; filename=z.zip", archive_of("zip", "", {{"e", eicar()}})), "", {}, {}, form_type).outcome),
              infected);
    EXPECT_EQ(words(scan(form_of("name=f; filename=z.tgz", archive_of("ustar", "gzip", {{"e", eicar()}})), "", {}, {}, form_type).outcome),
              infected);
    const auto looks = [](std::string_view bytes, std::string_view path, ArchiveEngine::Deadline) {
        return path == "f.bin" && bytes == "part" ? Outcome::infected("Part", "yara") : Outcome::clean();
    };
    EXPECT_EQ(words(scan(form_of("name=f; filename=f.bin", "part"), "", {}, {looks}, form_type).outcome), "infected Part");
}

TEST(Forms, transfer_codings_are_undone) {
    const auto coded = [](std::string_view coding, std::string_view data) {
        return "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\nContent-Transfer-Encoding: " + std::string(coding) +
               "\r\n\r\n" + std::string(data) + "\r\n--b--\r\n";
    };
    const auto says = [&](const std::string& form) { return words(scan(form, "", {}, {}, form_type).outcome); };
    EXPECT_EQ(says(coded("base64", "aGVsbG8=")), "clean ");
    EXPECT_EQ(says(coded("BASE64", "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElW\r\nSVJVUy1URVNULUZJTEUhJEgrSCo=")),
              infected);
    std::string quoted = eicar();
    quoted.replace(quoted.find("EICAR"), 1, "=45");
    EXPECT_EQ(says(coded("quoted-printable", quoted)), infected);
    EXPECT_EQ(says(coded("binary", "x")), "clean ");
    EXPECT_EQ(says(coded("x-uuencode", "x")), "unscannable undecodable");
    // As it came it may be a program or an archive all the same: then it is two members.
    const std::string plain = "MZ, and what is no base64";
    const Scan both = scan(coded("base64", plain), "", {}, {}, form_type);
    ASSERT_EQ(both.members.size(), 2U);
    EXPECT_EQ(both.members[0].first_bytes, plain);
    EXPECT_NE(both.members[1].first_bytes, plain);
    const auto looks = [&](std::string_view bytes, std::string_view path, ArchiveEngine::Deadline) {
        return path == "f" && bytes == plain ? Outcome::infected("Raw", "yara") : Outcome::clean();
    };
    EXPECT_EQ(words(scan(coded("base64", plain), "", {}, {looks}, form_type).outcome), "infected Raw");
    EXPECT_EQ(says(coded("base64", archive_of("zip", "", {{"e", eicar()}}))), infected);
}

TEST(Forms, what_cannot_be_taken_apart_is_not_clean) {
    const auto says = [](std::string_view form, ScanLimits limits = {}) { return words(scan(form, "", limits, {}, form_type).outcome); };
    const std::string good = part("name=a", "x");
    EXPECT_EQ(says(good + "--b--"), "clean ");
    EXPECT_EQ(says("--b--"), "clean ");
    EXPECT_EQ(says(""), "clean ");
    EXPECT_EQ(says("no form at all"), "unscannable undecodable");
    EXPECT_EQ(says(good), "unscannable undecodable");
    EXPECT_EQ(says(good + "--b-"), "unscannable undecodable");
    EXPECT_EQ(says("--b\r\n\r\nx\r\n--b--"), "unscannable undecodable");  // a part without a name
    EXPECT_EQ(says(part("name=a", std::string(100, 'x')) + "--b--", {.member_bytes = 50}), "unscannable too-large");
    EXPECT_EQ(scan(good, "", {}, {}, form_type).outcome.engine, structure_engine);
    // Whatever else is wrong with what could be read: nobody knows what is in the rest.
    EXPECT_EQ(says(part("name=a; filename=z.zip", archive_of("zip", "", {{"e", "x"}}).substr(0, 60)) + good), "unscannable undecodable");
    // What is too large is left out wholly.
    const Scan large = scan(part("name=a", std::string(100, 'x')) + good + "--b--", "", {.member_bytes = 50}, {}, form_type);
    ASSERT_EQ(large.members.size(), 2U);
    EXPECT_EQ(words(large.members[0].outcome), "unscannable too-large");
    std::string many;
    for (int i = 0; i < 20; ++i) many += good;
    EXPECT_NE(says(many + "--b--", {.members = 10}), "clean ");
    for (std::size_t size = 1; size < good.size(); ++size) EXPECT_NE(says(good.substr(0, size)), "clean ") << size;
}

// Some readers end such a boundary at its first odd octet.
TEST(Forms, a_boundary_that_lacks_its_quotes) {
    const auto says = [](std::string_view boundary, std::string_view data) {
        const std::string delimiter = "--" + std::string(boundary);
        return words(scan(delimiter + "\r\nContent-Disposition: form-data; name=a\r\n\r\n" + std::string(data) + "\r\n" + delimiter + "--",
                          "", {}, {}, {.kind = mime::MultipartKind::form, .boundary = std::string(boundary), .is_bare = true})
                         .outcome);
    };
    EXPECT_EQ(says("===1===", "x"), "clean ");
    EXPECT_EQ(says("batch(1)", "x"), "clean ");
    EXPECT_EQ(says("batch(1)", "--batch\r\nx"), "unscannable undecodable");
}

// What other readers would see elsewhere is not taken for data.
TEST(Forms, a_delimiter_that_is_none_to_us) {
    const auto says = [](const std::string& form) { return words(scan(form, "", {}, {}, form_type).outcome); };
    EXPECT_EQ(says(part("name=a", "x --c") + "--b--"), "clean ");
    for (const char* data : {"x--b", "x\r\n --b\r\ny", "--b"})
        EXPECT_EQ(says(part("name=a", data) + "--b--"), "unscannable undecodable") << data;
    EXPECT_EQ(says("x--b\r\n" + part("name=a", "x") + "--b--"), "unscannable undecodable");
    EXPECT_EQ(says(part("name=a", "x") + "--b--\r\n--b"), "unscannable undecodable");
}

TEST(Forms, a_coding_by_any_name) {
    const auto says = [](std::string_view coding, std::string_view data) {
        return words(scan("--b\r\nContent-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: " + std::string(coding) +
                              "\r\n\r\n" + std::string(data) + "\r\n--b--",
                          "", {}, {}, form_type)
                         .outcome);
    };
    const std::string bad = "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo=";
    for (const char* base64 : {"base64", "Base64; x=1", "base64 (mime)"}) EXPECT_EQ(says(base64, bad), infected) << base64;
    for (const char* none : {"", "binary", "8BIT", "utf-8"}) EXPECT_EQ(says(none, "x"), "clean ") << none;
    EXPECT_EQ(says("x-uuencode", "x"), "unscannable undecodable");
}

// Bare LFs, as Google's client for Python sends them.
TEST(Multiparts, of_a_mail_library) {
    const mime::MultipartType related{mime::MultipartKind::other, "===1=="};
    const auto says = [&](const std::string& object) { return words(scan(object, "", {}, {}, related).outcome); };
    const std::string zip = archive_of("zip", "", {{"e", eicar()}});
    const auto body = [](std::string_view data) {
        return "--===1==\nContent-Type: application/json\nMIME-Version: 1.0\n\n{}\n--===1==\nContent-Type: a/b\nContent-Transfer-Encoding: "
               "binary\n\n" +
               std::string(data) + "\n--===1==--";
    };
    for (const char* end : {"", "\n"}) {
        EXPECT_EQ(says(body("x\ny\r\nz") + end), "clean ");
        EXPECT_EQ(says(body(zip) + end), infected);
    }
    const Scan got = scan(body("x\ny\r\n"), "", {}, {}, related);
    ASSERT_EQ(got.members.size(), 2U);
    EXPECT_EQ(got.members[0].first_bytes, "{}");
    EXPECT_EQ(got.members[1].first_bytes, "x\ny\r\n");
    EXPECT_EQ(says(body("x\r\n--===1==\r\n\r\ny")), "unscannable undecodable") << "both";
    for (const char* broken : {"--===1==\n", "--===1==\n\n", "--===1==\nA: b\n", "--===1==\nA: b\n\nx",
                               "--===1==\nA: b\n\nx\n--===1==", "--===1==\nA\n\nx\n--===1==--"})
        EXPECT_EQ(says(broken), "unscannable undecodable") << broken;
    EXPECT_EQ(words(scan(body("x"), "", {}, {}, {mime::MultipartKind::form, "===1=="}).outcome), "unscannable undecodable")
        << "no form has them";
}

TEST(Multiparts, parts_may_be_multiparts) {
    const mime::MultipartType mixed{mime::MultipartKind::other, "b"};
    const auto says = [&](const std::string& object, ScanLimits limits = {}) { return words(scan(object, "", limits, {}, mixed).outcome); };
    const std::string zip = archive_of("zip", "", {{"e", eicar()}});
    const auto inner = [&](std::string_view type, std::string_view data) {
        return "--b\r\nContent-Type: " + std::string(type) + "\r\n\r\n--c\r\nContent-Disposition: attachment; filename=z\r\n\r\n" +
               std::string(data) + "\r\n--c--\r\n\r\n--b--\r\n";
    };
    EXPECT_EQ(says("--b\r\n\r\n" + zip + "\r\n--b--"), infected);
    EXPECT_EQ(says(inner("multipart/mixed; boundary=c", zip)), infected);
    EXPECT_EQ(says(inner("multipart/mixed; boundary=c", "x")), "clean ");
    EXPECT_EQ(paths(scan(inner("multipart/mixed; boundary=c", "x"), "", {}, {}, mixed)), (std::vector<std::string>{"", "/z"}));
    std::string deep = "x";
    for (const char c : {'g', 'f', 'e', 'd'})
        deep = "--" + std::string(1, c) + "\r\nContent-Type: multipart/mixed; boundary=" + static_cast<char>(c + 1) + "\r\n\r\n" + deep +
               "\r\n--" + c + "--";
    EXPECT_EQ(says(inner("multipart/mixed; boundary=c", deep)), "clean ") << "no multipart: text";
    EXPECT_EQ(says("--b\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n" + deep + "\r\n--b--"), "unscannable undecodable")
        << "too many of them";
    for (const char* unread : {"multipart/mixed", "multipart/mixed; boundary=a; boundary=c"})
        EXPECT_EQ(says(inner(unread, "x")), "unscannable undecodable") << unread;
    EXPECT_EQ(says(inner("multipart/mixed; boundary=d", "x")), "unscannable undecodable") << "without a first boundary";
}

// Whoever does not take it for a form takes the whole.
TEST(Forms, the_whole_may_be_an_archive) {
    const auto says = [](const std::string& form) { return words(scan(form, "", {}, {}, form_type).outcome); };
    const std::string zip = archive_of("zip", "", {{"e", eicar()}});
    const std::string good = part("name=a", "x") + "--b--\r\n";
    EXPECT_EQ(says(zip), infected) << "no form at all";
    EXPECT_EQ(says(zip + "\r\n" + good), infected) << "before the parts";
    EXPECT_EQ(says(good + zip), infected) << "behind them";
    EXPECT_EQ(says("x\r\n" + good), "clean ");
    // All of it a part: a zip whose comment is the form's end.
    std::string commented = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx" + zip;
    commented[commented.size() - 2] = 7;
    EXPECT_EQ(says(commented + "\r\n--b--"), infected);
    // Nor is it clean where nobody can look into it: a zip that is cut into a form.
    const std::string good_zip = archive_of("zip", "", {{"e", noise(5'000)}});
    const std::string spread =
        "--b\r\nContent-Disposition: form-data; name=\"" + good_zip.substr(0, 40) + "\"\r\n\r\n" + good_zip.substr(40) + "--b--";
    EXPECT_NE(says(spread), "clean ");
    // Two zips are two parts, not one zip that is read in two ways.
    const std::string small_zip = archive_of("zip", "", {{"e", "x"}});
    EXPECT_EQ(says(part("name=a", small_zip) + part("name=c", good_zip) + "--b--"), "clean ");
    // In pieces: its end behind the last part.
    const std::size_t half = zip.size() / 2;
    EXPECT_EQ(says(part("name=a", "x") + "--b--\r\n" + zip.substr(0, half) + zip.substr(half)), infected);
}

TEST(Forms, both_names_are_told) {
    const Scan got = scan(part("name=f; filename=\"a.txt\"; filename*=UTF-8''b.exe", "x") + "--b--", "", {}, {}, form_type);
    EXPECT_EQ(paths(got), (std::vector<std::string>{"b.exe", "a.txt"}));
}

}  // namespace
}  // namespace sluice::inspect
