# Which of its rules the real SpamAssassin hits: `oracle.pl RULES STATE < paths`, a line each: path, then names with tabs between.
# As `spamassassin -L`: nothing is looked up anywhere. Loaded once, because that takes longer than a message does.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($rules, $state) = @ARGV;
my $real = Mail::SpamAssassin->new({
    rules_filename       => $rules,
    site_rules_filename  => '/etc/spamassassin',
    userprefs_filename   => '/dev/null',
    userstate_dir        => $state,
    local_tests_only     => 1,
    dont_copy_prefs      => 1,
    post_config_text     => "use_bayes 0\n",
});
$real->init(0);
$| = 1;
while (my $path = <STDIN>) {
    chomp $path;
    open(my $file, '<:raw', $path) or die "$path: $!";
    my $text = do { local $/; <$file> };
    close $file;
    my $message = $real->parse($text, 0);
    my $status  = $real->check($message);
    my %hits = map { $_ => 1 } grep { length }
        split(/,/, $status->get_names_of_tests_hit() . ',' . $status->get_names_of_subtests_hit());
    print join("\t", $path, sort keys %hits), "\n";
    $status->finish;
    $message->finish;
}
